"""Predictions of several models for the same labelled test images, in one order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

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
    """Predictions of M models for the same N labelled test images.

    Attributes:
        models: Their M labels.
        classes: The K class names.
        image_ids: Object array, shape (N,), sorted.
        subjects: Object array, shape (N,); None where unknown.
        labels: True classes as indices, int64, shape (N,).
        predicted: Predicted classes, int64, shape (M, N).
        probabilities: Float64 in 0 to 1, shape (M, N, K).
        about: Merged facts of the runs; ``name`` has the number of models.
    """

    models: tuple[str, ...]
    classes: tuple[str, ...]
    image_ids: np.ndarray
    subjects: np.ndarray
    labels: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray
    about: dict[str, Any]

    @property
    def correct(self) -> np.ndarray:
        """Which predictions are correct, bool, shape (M, N)."""
        return np.asarray(self.predicted == self.labels)

    @property
    def missed_by(self) -> np.ndarray:
        """The number of models that miss each image, int64, shape (N,)."""
        return np.asarray((~self.correct).sum(axis=0))

    @property
    def true_probabilities(self) -> np.ndarray:
        """The probability of the true class by each model, float64, shape (M, N)."""
        return self.probabilities[:, np.arange(len(self.labels)), self.labels]

    def rows_by_class(self) -> dict[str, np.ndarray]:
        """Return which images are of each class, bool, shape (N,); classes without images are left out."""
        rows = {name: self.labels == index for index, name in enumerate(self.classes)}
        return {name: of_class for name, of_class in rows.items() if of_class.any()}


def gather(groups: Sequence[Group], own_thresholds: bool = False, only: Iterable[str] = ()) -> AlignedPredictions:
    """Bring the test images of several experiments, each a run or its folds pooled, into one order.

    Args:
        groups: See ``grouping.group_runs``.
        own_thresholds: Predict at the threshold that each run's own validation images choose (Youden), not at 0.5.
        only: Keep the images of these true classes; empty: all.

    Raises:
        UserError: Fewer than two models; images, labels, subjects or classes that differ; an unknown class; no image
            left; or no threshold where one is needed.
    """
    if len(groups) < 2:
        raise UserError("errors are compared between models: name the runs of at least two")
    only = tuple(only)
    models: list[Predictions] = []
    for group in groups:
        pooled = pool(list(group.runs))
        models.append(replace(pooled, frame=pooled.frame.sort_values("image_id", ignore_index=True)))
        try:
            paired(models[0], models[-1])
        except UserError as error:
            raise UserError(f"{groups[0].label} and {group.label}: {error}") from error
    models = [_select_labelled(model, only) for model in models]
    predicted = []
    probabilities = []
    for group, model in zip(groups, models, strict=True):
        labelled = score(model)
        threshold = _thresholds(group, model) if own_thresholds else 0.5
        predicted.append(call(labelled.probabilities, labelled.positive_index, threshold).astype(np.int64))
        probabilities.append(labelled.probabilities)
    first = models[0]
    subjects = first.frame["subject"].astype("object")
    return AlignedPredictions(
        models=tuple(group.label for group in groups),
        classes=first.classes,
        image_ids=first.frame["image_id"].to_numpy(object),
        subjects=subjects.where(subjects.notna(), None).to_numpy(object),
        labels=first.labels,
        predicted=np.stack(predicted),
        probabilities=np.stack(probabilities),
        about=merge_facts([model.about for model in models]) | {"name": f"{len(groups)} models"},
    )


def _select_labelled(predictions: Predictions, only: tuple[str, ...]) -> Predictions:
    """Keep the labelled images, and of these the classes ``only``."""
    unknown = [name for name in only if name not in predictions.classes]
    if unknown:
        raise UserError(f"no class {unknown[0]}: choose from {', '.join(predictions.classes)}")
    frame = predictions.frame[predictions.labels >= 0]
    if only:
        frame = frame[frame["label"].isin(only)]
    if frame.empty:
        of_classes = f" of {' and '.join(only)}" if only else ""
        raise UserError(f"no labelled test image{of_classes}: nothing to count")
    return replace(predictions, frame=frame.reset_index(drop=True))


def _thresholds(group: Group, pooled: Predictions) -> np.ndarray:
    """Return the threshold of each image, chosen on the validation images of its run."""
    thresholds: dict[str, float] = {}
    for run, name in zip(group.runs, group.names, strict=True):
        validation = run.part("validation")
        if not (validation.labels >= 0).any():
            raise UserError(f"{name} has no labelled validation images to choose a threshold on: use --threshold 0.5")
        point = choose_threshold(score(validation), EvaluationConfig())
        if point.value is None:
            raise UserError(f"{name} has no threshold of its own ({point.reason}): use --threshold 0.5")
        thresholds |= dict.fromkeys(run.part("test").frame["image_id"], point.value)
    return np.asarray(pooled.frame["image_id"].map(thresholds).to_numpy(np.float64))
