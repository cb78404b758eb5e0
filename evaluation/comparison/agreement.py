"""Errors of several models on the same images: common, different, and of one model alone (paper 004, 3.4.1)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import cohen_kappa_score

from common.config.schema import EvaluationConfig
from common.errors import UserError
from common.predictions import Predictions
from evaluation.comparison.paired import paired
from evaluation.core.labelled import score
from evaluation.intervals.exact import share
from evaluation.intervals.grouping import Group
from evaluation.intervals.pooling import merge_facts, pool
from evaluation.metrics.classification import call
from evaluation.metrics.thresholds import choose_threshold

CONFIDENCE = 0.95
ALL = "(every class)"  # in column ``true_class``; "all" is a class of C-NMC
ORACLE = "at least one is right (oracle)"
MAJORITY = "majority vote"


@dataclass(frozen=True)
class AlignedPredictions:
    """Predictions of M models for the same N labelled test images, sorted by ``image_ids``; K classes.

    Attributes:
        subjects: Object array, shape (N,); None where unknown.
        labels: True classes as indices, int64, shape (N,).
        predicted: Predicted classes as indices, int64, shape (M, N).
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

    ``own_thresholds`` predicts at the threshold that each run's own validation images choose (Youden), not at 0.5;
    ``only`` keeps the images of these true classes.

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


def missed(models: AlignedPredictions) -> pd.DataFrame:
    """List every image with the number of models that miss it.

    Returns:
        ``image_id``, ``label``, ``subject``, ``missed_by`` (0 to M) and ``right`` (list of the models that are right);
        the most often missed first, among equals the one with the least mean probability of the true class.
    """
    names = np.array(models.models, dtype=object)
    order = np.lexsort((models.true_probabilities.mean(axis=0), -models.missed_by))
    return pd.DataFrame(
        {
            "image_id": models.image_ids[order],
            "label": np.array(models.classes, dtype=object)[models.labels[order]],
            "subject": models.subjects[order],
            "missed_by": models.missed_by[order],
            "right": [names[correct].tolist() for correct in models.correct.T[order]],
        }
    )


def missed_counts(models: AlignedPredictions, rows: np.ndarray | None = None) -> pd.DataFrame:
    """Count the images (of ``rows``, bool, shape (N,); None: all) that are missed by exactly k of the M models.

    Returns:
        A row per k from 0 to M: ``k``, ``images``, ``share`` (0 to 1), ``low`` and ``high`` (exact, 95 %, for
        independent images), and ``independent``: the expected number if the models erred as often as they do, but
        independently of one another.
    """
    wrong = ~models.correct
    if rows is not None:
        wrong = wrong[:, rows]
    total = wrong.shape[1]
    counts = np.bincount(wrong.sum(axis=0), minlength=len(wrong) + 1)
    independent = np.ones(1)
    for rate in wrong.mean(axis=1):
        independent = np.convolve(independent, [1 - rate, rate])
    lines = []
    for k, images in enumerate(counts.tolist()):
        interval = share(images, total, CONFIDENCE)
        lines.append({"k": k, "images": images, "share": interval.value, "low": interval.low, "high": interval.high})
    return pd.DataFrame(lines).assign(independent=independent * total)


def missed_by_class(models: AlignedPredictions) -> pd.DataFrame:
    """Return ``missed_counts`` for the images of each true class, with ``true_class`` as the first column."""
    return _of_classes(models, missed_counts)


def alone(models: AlignedPredictions) -> pd.DataFrame:
    """Count the correct predictions of each model, and those that it alone gets right or wrong.

    Returns:
        A row per model: ``model``, ``images``, ``right``, ``accuracy`` with ``low`` and ``high`` (exact, 95 %),
        ``right_alone``, ``wrong_alone``, and for two classes both of each true class (``right_alone/<class>``). Then
        for comparison ORACLE, a perfect choice among the models, and MAJORITY (of a tie the class with the larger mean
        probability), which are never alone.
    """
    correct = models.correct
    votes = correct.sum(axis=0)
    of_one = {"right_alone": correct & (votes == 1), "wrong_alone": ~correct & (votes == len(correct) - 1)}
    rows = np.vstack([correct, votes > 0, majority(models) == models.labels])
    lines = []
    for model, right in zip((*models.models, ORACLE, MAJORITY), rows, strict=True):
        interval = share(right.sum(), len(right), CONFIDENCE)
        line = {"model": model, "images": interval.total, "right": interval.hits, "accuracy": interval.value}
        lines.append(line | {"low": interval.low, "high": interval.high})
    table = pd.DataFrame(lines)
    subsets = {"": np.ones(len(models.labels), bool)}
    if len(models.classes) == 2:
        subsets |= {f"/{name}": of_class for name, of_class in models.rows_by_class().items()}
    for suffix, subset in subsets.items():
        for name, images in of_one.items():
            table[name + suffix] = pd.Series((images & subset).sum(axis=1), dtype="Int64")
    return table


def majority(models: AlignedPredictions) -> np.ndarray:
    """Return the prediction of most models, int64, shape (N,); of a tie as ``common.uncertainty.summarise`` does."""
    votes = (models.predicted[..., None] == np.arange(len(models.classes))).sum(axis=0)
    support = votes + models.probabilities.mean(axis=0) / 2  # a mean counts for less than a vote
    if len(models.classes) == 2:
        return np.asarray((support[:, 1] >= support[:, 0]).astype(np.int64))
    return np.asarray(support.argmax(axis=1))


def agreement(models: AlignedPredictions, rows: np.ndarray | None = None) -> pd.DataFrame:
    """Measure how alike the predictions of each pair of models are (Kuncheva and Whitaker, Machine Learning 51, 2003).

    Returns:
        A row per pair, of the images ``rows`` (bool, shape (N,); None: all): ``first``, ``second``, ``kappa`` (Cohen's:
        1 the same, 0 as by chance; NaN where both predict one and the same class only), ``disagreement`` (share of
        images that exactly one gets right), ``double_fault`` (share that both miss), ``only_first``, ``only_second``
        (images that only this one gets right), ``images``.
    """
    selected = np.ones(len(models.labels), bool) if rows is None else rows
    names = models.models
    correct = models.correct[:, selected]
    predicted = models.predicted[:, selected]
    lines = []
    for first, second in combinations(range(len(names)), 2):
        kappa = np.nan
        # Chance always agrees on a single class, and scikit-learn would divide by zero.
        if len(np.unique(predicted[[first, second]])) > 1:
            kappa = float(cohen_kappa_score(predicted[first], predicted[second]))
        line = {"first": names[first], "second": names[second], "kappa": kappa}
        line["disagreement"] = float((correct[first] != correct[second]).mean())
        line["double_fault"] = float((~correct[first] & ~correct[second]).mean())
        line["only_first"] = int((correct[first] & ~correct[second]).sum())
        line["only_second"] = int((correct[second] & ~correct[first]).sum())
        lines.append({**line, "images": correct.shape[1]})
    return pd.DataFrame(lines)


def agreement_by_class(models: AlignedPredictions) -> pd.DataFrame:
    """Return ``agreement`` for all images and, of two classes, for each true class (column ``true_class``)."""
    table = agreement(models)
    table.insert(0, "true_class", ALL)
    if len(models.classes) != 2:
        return table
    return pd.concat([table, _of_classes(models, agreement)], ignore_index=True)


def predictions_by_model(models: AlignedPredictions) -> pd.DataFrame:
    """Return each model's prediction (``called/<model>``) and probability of the truth (``prob_true/<model>``)."""
    columns = {"image_id": models.image_ids}
    classes = np.array(models.classes, dtype=object)
    for place, model in enumerate(models.models):
        columns[f"called/{model}"] = classes[models.predicted[place]]
        columns[f"prob_true/{model}"] = models.true_probabilities[place]
    return pd.DataFrame(columns)


def _of_classes(
    models: AlignedPredictions, measure: Callable[[AlignedPredictions, np.ndarray], pd.DataFrame]
) -> pd.DataFrame:
    tables = {name: measure(models, rows) for name, rows in models.rows_by_class().items()}
    return pd.concat(tables, names=["true_class", "row"]).reset_index("true_class").reset_index(drop=True)
