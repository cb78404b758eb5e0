"""Errors of several models on the same images: common, different, and of one model alone (paper 004, 3.4.1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from karyocyte.common.errors import UserError
from karyocyte.evaluation.comparison.pairwise import aligned_pair
from karyocyte.evaluation.intervals.exact import share
from karyocyte.evaluation.intervals.grouping import Group
from karyocyte.evaluation.metrics.classification import call
from karyocyte.evaluation.pooling.pooling import merge_facts, pool

CONFIDENCE = 0.95
ALL = "(every class)"  # in column ``true_class``; "all" is a class of C-NMC


@dataclass(frozen=True)
class AlignedPredictions:
    """Predictions of M models for the same N labelled test images, sorted by ``image_ids``; K classes.

    ``subjects`` are None where unknown; ``labels`` (N,) and ``predicted`` (M, N) are indices of classes, int64;
    ``probabilities`` are float64 in 0 to 1, shape (M, N, K).
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
        return {self.classes[index]: self.labels == index for index in np.unique(self.labels)}


def align_groups(groups: Sequence[Group]) -> AlignedPredictions:
    """Bring the test images of several experiments, each a run or its folds pooled, into one order.

    Raises:
        UserError: Fewer than two models; images, labels, subjects or classes that differ; or no labelled image.
    """
    if len(groups) < 2:
        raise UserError("errors are compared between models: name the runs of at least two")
    first = pool(groups[0].runs)
    facts = []
    predicted = []
    probabilities = []
    for group in groups:
        model = pool(group.runs)
        facts.append(model.about)
        try:
            labelled = aligned_pair(first, model)[1]
        except UserError as error:
            raise UserError(f"{groups[0].label} and {group.label}: {error}") from error
        predicted.append(call(labelled.probabilities, labelled.positive_index))
        probabilities.append(labelled.probabilities)
    frame = first.frame.reset_index(drop=True)[first.labels >= 0].sort_values("image_id")
    if frame.empty:
        raise UserError("no labelled test image: nothing to count")
    subjects = frame["subject"].astype("object")
    return AlignedPredictions(
        models=tuple(group.label for group in groups),
        classes=first.classes,
        image_ids=frame["image_id"].to_numpy(object),
        subjects=subjects.where(subjects.notna(), None).to_numpy(object),
        labels=first.labels[frame.index],
        predicted=np.stack(predicted).astype(np.int64),
        probabilities=np.stack(probabilities),
        about=merge_facts(facts) | {"name": f"{len(groups)} models"},
    )


def misses(models: AlignedPredictions) -> pd.DataFrame:
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

    Returns a row per k from 0 to M: ``k``, ``images``, ``share`` (0 to 1), ``low`` and ``high`` (exact, 95 %), and
    ``independent``: the expected number if the models erred as often as they do, but independently of one another.
    """
    wrong = ~models.correct
    if rows is not None:
        wrong = wrong[:, rows]
    total = wrong.shape[1]
    counts = np.bincount(wrong.sum(axis=0), minlength=len(wrong) + 1)
    independent = np.ones(1)
    for rate in wrong.mean(axis=1):
        independent = np.convolve(independent, [1 - rate, rate])
    table = _shares(counts, total).rename(columns={"hits": "images", "value": "share"})
    table.insert(0, "k", range(len(table)))
    return table[["k", "images", "share", "low", "high"]].assign(independent=independent * total)


def _shares(hits: np.ndarray, total: int) -> pd.DataFrame:
    """Return the shares of several numbers of ``total`` images: the fields of `Interval` and ``hits``, a row each."""
    return pd.DataFrame(share(number, total, CONFIDENCE) for number in hits).assign(hits=hits)


def missed_by_class(models: AlignedPredictions) -> pd.DataFrame:
    """Return ``missed_counts`` for the images of each true class, with ``true_class`` as the first column."""
    tables = {name: missed_counts(models, rows) for name, rows in models.rows_by_class().items()}
    return pd.concat(tables, names=["true_class", "row"]).reset_index("true_class").reset_index(drop=True)


def lone_models(models: AlignedPredictions) -> pd.DataFrame:
    """Count the correct predictions of each model, and those that it alone gets right or wrong.

    Returns a row per model: ``model``, ``images``, ``right``, ``accuracy`` with ``low`` and ``high`` (exact, 95 %),
    ``right_alone``, ``wrong_alone``.
    """
    correct = models.correct
    votes = correct.sum(axis=0)
    names = {"n": "images", "hits": "right", "value": "accuracy"}
    table = _shares(correct.sum(axis=1), correct.shape[1]).rename(columns=names)
    table.insert(0, "model", models.models)
    return table[["model", "images", "right", "accuracy", "low", "high"]].assign(
        right_alone=(correct & (votes == 1)).sum(axis=1),
        wrong_alone=(~correct & (votes == len(correct) - 1)).sum(axis=1),
    )


def predictions_by_model(models: AlignedPredictions) -> pd.DataFrame:
    """Return each model's prediction (``called/<model>``) and probability of the truth (``prob_true/<model>``)."""
    columns = {"image_id": models.image_ids}
    classes = np.array(models.classes, dtype=object)
    for place, model in enumerate(models.models):
        columns[f"called/{model}"] = classes[models.predicted[place]]
        columns[f"prob_true/{model}"] = models.true_probabilities[place]
    return pd.DataFrame(columns)
