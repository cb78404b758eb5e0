"""Errors of several models on the same images: common, different, and of one model alone (paper 004, 3.4.1)."""

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pandas as pd
from sklearn.metrics import cohen_kappa_score

from evaluation.error_analysis.aligned import AlignedPredictions
from evaluation.intervals.exact import share

CONFIDENCE = 0.95
ALL = "(every class)"  # in column ``true_class``; "all" is a class of C-NMC
ORACLE = "at least one is right (oracle)"
MAJORITY = "majority vote"


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
    """Count the images that are missed by exactly k of the M models.

    Args:
        models: The models.
        rows: Which images, bool, shape (N,); None: all.

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

    Args:
        models: The models.
        rows: Which images, bool, shape (N,); None: all.

    Returns:
        A row per pair: ``first``, ``second``, ``kappa`` (Cohen's: 1 the same, 0 as by chance; NaN where both predict
        one and the same class only), ``disagreement`` (share of images that exactly one gets right), ``double_fault``
        (share that both miss), ``only_first``, ``only_second`` (images that only this one gets right), ``images``.
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
