"""Which images scripts/explain.py explains, and everything that is known of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from common.errors import UserError
from common.predictions import PROBABILITY_PREFIX, Predictions, read_predictions, uncertainty_of
from datamodules.inference.abnormality_masks import COMPOSED, AbnormalityMask, AbnormalityMasks
from datamodules.inference.run_images import RunImages, from_files
from evaluation.error_analysis.examples import ranked, showcase
from evaluation.metrics.classification import call
from lightning_modules.load import TrainedRun, load_run
from lightning_modules.predictor import Predictor
from workflows.explain.activations import placed

PREDICTED = "predicted"
TRUE = "true"
SHOWN = 12  # images of --which, where --samples does not say how many

# Row of a run's test part, and why it is shown (may be empty).
Chosen = list[tuple[int, str]]


@dataclass(frozen=True)
class Wish:
    """What is to be explained.

    Attributes:
        method: One of ``evaluation.explain.attribution.METHODS``.
        layer: Name of a module; None: the last that gives maps.
        target: "predicted", "true", or a class.
        files: Image files; empty: images of the test part.
        samples: How many of those, of ``which`` or of each class in turn; None: the ones that ``showcase`` chooses.
        which: "right", "wrong" or "doubtful"; None for any.
        every: All of the test part, or of ``which``; what ``showcase`` chooses stands first.
        windows: See ``evaluation.explain.attribution.Method``.
        steps: See there.
        data_dir: Where the run's images lie now; None: where they were.
    """

    method: str = "gradcam"
    layer: str | None = None
    target: str = PREDICTED
    files: tuple[Path, ...] = ()
    samples: int | None = None
    which: str | None = None
    every: bool = False
    windows: int = 8
    steps: int = 32
    data_dir: str | None = None


@dataclass(frozen=True, eq=False)
class Looked:
    """A run and the images that it is to explain.

    Attributes:
        run: With its model.
        whole: What it said of its whole test part.
        test: What it said of these images, a row each.
        why: Why each is shown; may be empty.
        image: Returns an image by its number, uint8 RGB, shape (H, W, 3), as the network sees it.
        truth: Returns where the abnormality of an image lies; None where that is not known, or nothing of it is left.
    """

    run: TrainedRun
    whole: Predictions
    test: Predictions
    why: Sequence[str]
    image: Callable[[int], np.ndarray]
    truth: Callable[[int], AbnormalityMask | None]

    @property
    def called(self) -> np.ndarray:
        """The class that each image is called, int64, shape (N,)."""
        return call(self.test.probabilities, self.test.positive_index)

    def __len__(self) -> int:
        return len(self.test.frame)


def look(folder: Path, wish: Wish, ids: Chosen | Sequence[tuple[str, str]] | None = None) -> Looked:
    """Load a run and find the images.

    Args:
        folder: The run.
        wish: Which images.
        ids: Image ids of its test part, each with why it is shown; None: as ``wish`` says.

    Raises:
        UserError: See ``load_run``, ``datamodules.inference.run_images`` and ``choose``.
    """
    run = load_run(folder)
    config = placed(run.config, wish.data_dir)
    whole = read_predictions(folder).part("test")
    if wish.files:
        samples = from_files(list(wish.files), config)
        test = _judged(run, samples.images, samples.names, whole.about)
        return Looked(run, whole, test, [""] * len(samples.names), samples.images.__getitem__, lambda _: None)
    if ids is None:
        chosen = choose(whole, wish, str(folder))
    else:
        place = pd.Series(np.arange(len(whole.frame)), whole.frame["image_id"])
        chosen = [(int(place[image_id]), why) for image_id, why in ids]
    test = replace(whole, frame=whole.frame.iloc[[row for row, _ in chosen]].reset_index(drop=True))
    served = RunImages(config)
    rows = served.rows(folder, test.frame["image_id"])
    if config.data.source == COMPOSED:
        truths = AbnormalityMasks(served.manifest, config)
    else:
        truths = None
    truth = partial(_truth, truths, rows)
    return Looked(run, whole, test, [why for _, why in chosen], lambda number: served[rows[number]], truth)


def choose(test: Predictions, wish: Wish, run: str) -> Chosen:
    """Choose rows of a test part.

    Args:
        test: The test part.
        wish: Which.
        run: What errors call the run.

    Raises:
        UserError: There is no such image.
    """
    if wish.which:
        found = ranked(test, wish.which)
        if not found:
            raise UserError(f"{run}: no test image is called {wish.which}: leave --which out")
        if wish.every:
            rows = found
        else:
            rows = found[: wish.samples or SHOWN]
    elif wish.every:
        # What is worth a look stands first: a figure has no room for all.
        if (test.labels >= 0).any():
            first = dict(showcase(test))
        else:
            first = {}
        return [*first.items(), *((row, "") for row in range(len(test.frame)) if row not in first)]
    elif wish.samples:
        frame = pd.DataFrame({"label": test.labels})
        frame["turn"] = frame.groupby("label").cumcount()
        rows = frame[frame["label"] >= 0].sort_values(["turn", "label"], kind="stable").index[: wish.samples].tolist()
    else:
        return showcase(test)
    if not rows:
        raise UserError(f"{run} has no labelled test images: name files with --images")
    return [(row, "") for row in rows]


def targets(looked: Looked, target: str) -> list[int]:
    """Return the class that each image's map is to speak for.

    Raises:
        UserError: No class has that name, or the true class of an image is not known.
    """
    classes = looked.test.classes
    if target in classes:
        return [classes.index(target)] * len(looked)
    if target not in (PREDICTED, TRUE):
        raise UserError(f"target {target}: say {PREDICTED}, {TRUE}, or a class: {', '.join(classes)}")
    if target == PREDICTED:
        found = looked.called
    else:
        found = looked.test.labels
    if (found < 0).any():
        unknown = looked.test.frame["image_id"].iloc[int(np.argmax(found < 0))]
        raise UserError(f"target {TRUE}: the class of {unknown} is not known: say {PREDICTED}, or a class")
    return found.tolist()


def _truth(truths: AbnormalityMasks | None, rows: np.ndarray, number: int) -> AbnormalityMask | None:
    if truths is None or int(rows[number]) not in truths:
        return None
    truth = truths[int(rows[number])]
    if truth.place.any():
        return truth
    return None


def _judged(run: TrainedRun, images: np.ndarray, names: Sequence[str], about: dict) -> Predictions:
    """What a run says of images that nobody prepared or labelled, as in its own predictions."""
    batches = [torch.from_numpy(image.transpose(2, 0, 1).copy())[None].float() / 255 for image in images]
    # The plain pass: masks of Monte Carlo dropout add nothing to it.
    inference = run.config.inference.model_copy(update={"mc_passes": 0})
    predictor = Predictor(run.classifier, inference)
    with torch.no_grad():
        outputs = [predictor(batch)["probability"] for batch in batches]
    probabilities = torch.cat(outputs).double().numpy()
    frame = pd.DataFrame({"image_id": names, "label": None, "uncertainty": uncertainty_of(probabilities)})
    for place, name in enumerate(run.classes):
        frame[PROBABILITY_PREFIX + name] = probabilities[:, place]
    # Whatever the run was trained on, these are not it.
    if about.get("synthetic"):
        trained_on = "SYNTHETIC images"
    else:
        trained_on = about.get("source")
    about = about | {"source": f"trained on {trained_on}", "synthetic": False}
    return Predictions(frame, run.classes, run.positive_class, about)
