"""A doubtful chromosome changes its class in the joint assignment, and a third one of a class stays."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from cytogenetics.cells.cell_settings import KaryotypePriors
from cytogenetics.cells.posterior import Candidate, karyotype_posterior
from karyocyte.common.karyotype import CHROMOSOMES
from karyocyte.evaluation.plots.plots import COLOURS, canvas

SHOWN = ("21", "22", "Y")
REST = 0.0005  # of a chromosome, for each class in which it surely is not


@dataclass(frozen=True)
class Cell:
    """A male cell: the chromosomes whose class probabilities are shown, the others being certain.

    Attributes:
        title: Above the picture.
        shown: Probabilities of SHOWN for each chromosome of these classes, shape (N, 3).
    """

    title: str
    shown: tuple[tuple[float, float, float], ...]

    @property
    def log_probabilities(self) -> np.ndarray:
        """Of all chromosomes, those of ``shown`` first, float64, shape (n, 24)."""
        others = [name for name in CHROMOSOMES[:-1] for _ in range(1 if name == "X" else 2) if name not in SHOWN]
        probabilities = np.full((len(self.shown) + len(others), len(CHROMOSOMES)), REST)
        columns = [CHROMOSOMES.index(name) for name in SHOWN]
        probabilities[: len(self.shown), columns] = self.shown
        for row, name in enumerate(others, start=len(self.shown)):
            probabilities[row, CHROMOSOMES.index(name)] = 1.0
        return np.asarray(np.log(probabilities / probabilities.sum(axis=1, keepdims=True)))

    @property
    def assigned(self) -> list[str]:
        """The class of each chromosome of ``shown`` in the most probable karyotype."""
        return list(self.karyotype.names[: len(self.shown)])

    @property
    def karyotype(self) -> Candidate:
        """The most probable karyotype by the priors of packages/cytogenetics/conf/karyotype.yaml."""
        (best, *_), _ = karyotype_posterior(self.log_probabilities, KaryotypePriors())
        return best


CELLS = (
    Cell(
        "46 chromosomes: one changes its class",
        ((0.97, 0.02, 0.01), (0.95, 0.04, 0.01), (0.55, 0.44, 0.01), (0.03, 0.96, 0.01), (0.02, 0.08, 0.90)),
    ),
    Cell(
        "47 chromosomes: the third 21 stays",
        (
            (0.97, 0.02, 0.01),
            (0.95, 0.04, 0.01),
            (0.93, 0.06, 0.01),
            (0.03, 0.96, 0.01),
            (0.04, 0.95, 0.01),
            (0.02, 0.08, 0.90),
        ),
    ),
)


def draw(path: Path) -> None:
    """Draw the probabilities of CELLS: the most probable class of each chromosome, and its class in the assignment."""
    with canvas(path, (8.5, 4.2), {"name": "Classes alone and jointly, made-up probabilities"}) as figure:
        for axis, cell in zip(figure.subplots(1, len(CELLS)), CELLS, strict=True):
            _draw_cell(axis, cell)
        handles = [
            Rectangle((0, 0), 1, 1, fill=False, edgecolor=COLOURS[1], linestyle="--", linewidth=2),
            Rectangle((0, 0), 1, 1, fill=False, edgecolor=COLOURS[0], linewidth=2.4),
        ]
        names = ["most probable class of the image alone", "class in the joint assignment"]
        figure.legend(handles, names, loc="outside lower center", ncols=2)


def _draw_cell(axis: Axes, cell: Cell) -> None:
    rows = len(cell.shown)
    shown = np.array(cell.shown)
    axis.imshow(shown, cmap="Greys", vmin=0, vmax=1.6, aspect="auto")
    for row, (values, name) in enumerate(zip(cell.shown, cell.assigned, strict=True)):
        for column, value in enumerate(values):
            axis.text(column, row, f"{value:.2f}", ha="center", va="center")
        _frame(axis, row, int(shown[row].argmax()), 0.42, edgecolor=COLOURS[1], linestyle="--", linewidth=2)
        _frame(axis, row, SHOWN.index(name), 0.47, edgecolor=COLOURS[0], linewidth=2.4)
    best = cell.karyotype
    axis.set_title(f"{cell.title}\n{best.karyotype.iscn}, probability {best.probability:.3f}")
    axis.set_xticks(range(len(SHOWN)), [f"class {name}" for name in SHOWN])
    axis.set_yticks(range(rows), [f"chromosome {'abcdef'[row]}" for row in range(rows)])
    axis.grid(visible=False)


def _frame(axis: Axes, row: int, column: int, half: float, **style: object) -> None:
    axis.add_patch(Rectangle((column - half, row - half), 2 * half, 2 * half, fill=False, **style))  # type: ignore[arg-type]
