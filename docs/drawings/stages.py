"""Which parts of a network train in which epochs of a staged training; the course of the loss is made up."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from karyocyte.composition.compose import compose_config
from karyocyte.config.schema import StageConfig
from karyocyte.evaluation.plots.plots import COLOURS, canvas

EXPERIMENT = "vgg16_cut_block5"
# The convolutions of the parts of its VGG16, from the images to the head; block 5 is cut off.
PARTS = {
    "block 1": ("features.0", "features.2"),
    "block 2": ("features.5", "features.7"),
    "block 3": ("features.10", "features.12", "features.14"),
    "block 4": ("features.17", "features.19", "features.21"),
}
HEAD = "head"
BEST_EPOCHS = (9, 6, 5, 4)  # of the stages, made up
START, GAINS = 0.66, (0.22, 0.08, 0.04, 0.02)  # the validation loss, and what each stage takes off it, made up


class Course(NamedTuple):
    """A stage: its name and settings, and the validation loss of each epoch."""

    name: str
    config: StageConfig
    best: int
    losses: np.ndarray

    def trains(self, part: str) -> bool:
        """Tell whether a part trains in the stage."""
        return part == HEAD or set(PARTS[part]) <= set(self.config.train)


def courses() -> list[Course]:
    """Return the stages of EXPERIMENT; each ends as many epochs after its best as early stopping waits."""
    config = compose_config([f"+experiment={EXPERIMENT}"])
    patience = int(config.callbacks.early_stopping.entry["patience"])
    loss = START
    made_up = []
    for (name, stage), best, gain in zip(config.unfreeze.stages.items(), BEST_EPOCHS, GAINS, strict=True):
        epoch = np.arange(1, best + patience + 1)
        down = loss - gain * (1 - np.exp(-3 * epoch / best)) / (1 - np.exp(-3))
        losses = np.where(epoch <= best, down, loss - gain + 0.05 * gain * (epoch - best))
        made_up.append(Course(name, stage, best, losses))
        loss -= gain
    return made_up


def draw(path: Path) -> None:
    """Draw a validation loss over the epochs of all stages, and below it which parts train."""
    stages = courses()
    starts = np.cumsum([0, *(len(stage.losses) for stage in stages)])
    with canvas(path, (9.0, 4.8), {"name": f"The stages of {EXPERIMENT}, made-up losses"}) as figure:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[1.0, 1.2])
        for stage, start in zip(stages, starts[:-1], strict=True):
            _draw_losses(upper, stage, start)
            _draw_parts(lower, stage, start)
        rows = [*PARTS, HEAD]
        lower.set_yticks(range(len(rows)), rows)
        lower.set(xlabel="epoch", xlim=(0, starts[-1]))
        lower.grid(visible=False)
        upper.set(ylabel="validation loss", yticks=[])


def _draw_losses(axis: Axes, stage: Course, start: int) -> None:
    epochs = start + np.arange(1, len(stage.losses) + 1) - 0.5
    axis.plot(epochs[: stage.best], stage.losses[: stage.best], color=COLOURS[0])
    axis.plot(epochs[stage.best - 1 :], stage.losses[stage.best - 1 :], color="#AAAAAA")
    best = epochs[stage.best - 1], stage.losses[stage.best - 1]
    axis.plot(*best, "o", color=COLOURS[0])
    axis.hlines(best[1], best[0], start + len(stage.losses), color=COLOURS[0], linestyle=":", linewidth=1.2)
    axis.axvline(start, color="#888888", linewidth=1)
    title = f"stage {stage.name}\nrate {stage.config.lr:g}"
    axis.annotate(title, (start + len(stage.losses) / 2, 1.02), xycoords=("data", "axes fraction"), ha="center")


def _draw_parts(axis: Axes, stage: Course, start: int) -> None:
    for row, part in enumerate([*PARTS, HEAD]):
        trains = stage.trains(part)
        colour, word = (COLOURS[1], "trains") if trains else ("#E8E8E8", "frozen")
        axis.barh(row, len(stage.losses), left=start, height=0.8, color=colour, edgecolor="white", linewidth=2)
        axis.text(
            start + len(stage.losses) / 2, row, word, ha="center", va="center", color="white" if trains else "#666666"
        )
