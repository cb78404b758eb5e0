"""What several models say of the same labelled test images, brought into one order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from common.config.schema import EvaluationConfig
from common.errors import UserError
from common.predictions import Predictions
from evaluation.comparison.paired import paired
from evaluation.core.labelled import score
from evaluation.intervals.grouping import Group
from evaluation.intervals.pooling import merge_facts, pool
from evaluation.metrics.classification import call
from evaluation.metrics.thresholds import choose_threshold


@dataclass(frozen=True)
class AlignedPredictions:
    """What M models say of the same N labelled test images.

    Attributes:
        models: Their M labels.
        classes: The K class names.
        image_ids: Object array, shape (N,), sorted.
        subjects: Object array, shape (N,); None where unknown.
        labels: True classes as indices, int64, shape (N,).
        called: Called classes, int64, shape (M, N).
        probabilities: Float64 in 0 to 1, shape (M, N, K).
        about: Facts of the runs, joined; ``name`` says how many models there are.
    """

    models: tuple[str, ...]
    classes: tuple[str, ...]
    image_ids: np.ndarray
    subjects: np.ndarray
    labels: np.ndarray
    called: np.ndarray
    probabilities: np.ndarray
    about: dict

    @property
    def right(self) -> np.ndarray:
        """Which calls are right, bool, shape (M, N)."""
        return self.called == self.labels

    @property
    def missed_by(self) -> np.ndarray:
        """How many models miss each image, int64, shape (N,)."""
        return (~self.right).sum(axis=0)

    @property
    def of_truth(self) -> np.ndarray:
        """Probability that each model gives to the true class, float64, shape (M, N)."""
        return self.probabilities[:, np.arange(len(self.labels)), self.labels]


def gather(groups: Sequence[Group], own: bool = False, only: Iterable[str] = ()) -> AlignedPredictions:
    """Bring the test images of several experiments, each a run or its folds pooled, into one order.

    Args:
        groups: See ``groups.group_runs``.
        own: Call at the threshold that each run's own validation images choose (Youden), not at 0.5.
        only: Keep the images of these true classes; empty: all.

    Raises:
        UserError: Fewer than two models, images, labels, subjects or classes that differ, a class that is none of
            theirs, no image left, or thresholds where there are none.
    """
    if len(groups) < 2:
        raise UserError("errors are compared between models: name the runs of at least two")
    pooled = [_sorted(pool(list(group.runs))) for group in groups]
    for group, other in zip(groups[1:], pooled[1:], strict=True):
        try:
            paired(pooled[0], other)
        except UserError as error:
            raise UserError(f"{groups[0].label} and {group.label}: {error}") from error
    kept = [_only(one, tuple(only)) for one in pooled]
    scored = [score(one) for one in kept]
    thresholds = [_thresholds(group, one) if own else 0.5 for group, one in zip(groups, kept, strict=True)]
    called = [call(one.probabilities, one.positive_index, at) for one, at in zip(scored, thresholds, strict=True)]
    frame = kept[0].frame
    subjects = kept[0].frame["subject"].astype("object")
    return AlignedPredictions(
        models=tuple(group.label for group in groups),
        classes=kept[0].classes,
        image_ids=frame["image_id"].to_numpy(object),
        subjects=subjects.where(subjects.notna(), None).to_numpy(object),
        labels=scored[0].labels,
        called=np.stack(called).astype(np.int64),
        probabilities=np.stack([one.probabilities for one in scored]),
        about=merge_facts([one.about for one in kept]) | {"name": f"{len(groups)} models"},
    )


def _sorted(predictions: Predictions) -> Predictions:
    return replace(predictions, frame=predictions.frame.sort_values("image_id", ignore_index=True))


def _only(predictions: Predictions, only: tuple[str, ...]) -> Predictions:
    """Keep the labelled images, of some classes where these are said."""
    unknown = [name for name in only if name not in predictions.classes]
    if unknown:
        raise UserError(f"no class {unknown[0]}: choose from {', '.join(predictions.classes)}")
    frame = predictions.frame[predictions.labels >= 0]
    if only:
        frame = frame[frame["label"].isin(only)]
    else:
        frame = frame
    if frame.empty:
        raise UserError(f"no labelled test image{' of ' + ' and '.join(only) if only else ''}: nothing to count")
    return replace(predictions, frame=frame.reset_index(drop=True))


def _thresholds(group: Group, pooled: Predictions) -> np.ndarray:
    """Return the threshold of each image: the one that the validation images of its run choose."""
    found = {}
    for run, name in zip(group.runs, group.names, strict=True):
        validation = run.part("validation")
        if not (validation.labels >= 0).any():
            raise UserError(f"{name} has no labelled validation images to choose a threshold on: use --threshold 0.5")
        point = choose_threshold(score(validation), EvaluationConfig())
        if point.value is None:
            raise UserError(f"{name} has no threshold of its own ({point.reason}): use --threshold 0.5")
        found |= dict.fromkeys(run.part("test").frame["image_id"], point.value)
    return pooled.frame["image_id"].map(found).to_numpy(np.float64)
