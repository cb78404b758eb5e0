"""Class by class, and kind by kind: how many are predicted right, and what the others are mistaken for."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from evaluation.intervals.exact import share
from evaluation.labelled_runs import LabelledRuns
from evaluation.metrics.classification import call
from evaluation.result import ClassResult, KindResult, Matrix, Share

NO_SHARE = Share(None, None, None, 0, 0)


def per_class(classes: Sequence[str], confusion: Matrix, assigned: Matrix | None) -> list[ClassResult] | None:
    """Read a result per class off confusion matrices, rows the truth; None for two classes.

    Args:
        classes: The K class names.
        confusion: Most probable classes, shape (K, K).
        assigned: The same after the joint assignment, None without.
    """
    if len(classes) <= 2:
        return None
    results = []
    for index, name in enumerate(classes):
        recall, mistaken_for = _recall_and_mistake(confusion[index], index, classes)
        recall_assigned = mistaken_for_assigned = None
        if assigned is not None:
            recall_assigned, mistaken_for_assigned = _recall_and_mistake(assigned[index], index, classes)
        images = sum(confusion[index])
        results.append(ClassResult(name, images, recall, mistaken_for, recall_assigned, mistaken_for_assigned))
    return results


def _recall_and_mistake(row: list[int], index: int, classes: Sequence[str]) -> tuple[float | None, str | None]:
    """Recall and the most frequent wrong class from one row of a confusion matrix, shape (K,)."""
    images = sum(row)
    if not images:
        return None, None
    wrong = [0 if place == index else count for place, count in enumerate(row)]
    most = max(wrong)
    return row[index] / images, classes[wrong.index(most)] if most else None


def per_class_table(results: list[ClassResult]) -> pd.DataFrame:
    """Return a row per class."""
    return pd.DataFrame([result.as_dict() for result in results]).rename(columns={"name": "class"})


def per_kind(runs: LabelledRuns) -> list[KindResult] | None:
    """Count the test images of each class and kind that are predicted right, over all folds.

    Returns:
        In the order of classes and names, ``recall`` at 0.5 or by the most probable class; None where no kind is known.
    """
    column = pd.concat([test.frame["kind"] for test in runs.tests]).astype("object")
    kinds = column.where(column.notna(), "").to_numpy()
    if not any(kinds):
        return None
    test = runs.test
    right = call(test.probabilities, test.positive_index) == test.labels
    right_at_threshold = None
    thresholds = runs.spread(runs.thresholds)
    if thresholds is not None and test.positive_index is not None:
        right_at_threshold = call(test.probabilities, test.positive_index, thresholds) == test.labels
    results = []
    for index, name in enumerate(runs.classes):
        for kind in sorted(set(kinds[test.labels == index])):
            rows = (test.labels == index) & (kinds == kind)
            recall = _share(right[rows], runs.settings.confidence)
            at_threshold = None
            if right_at_threshold is not None:
                at_threshold = _share(right_at_threshold[rows], runs.settings.confidence)
            results.append(KindResult(name, kind or None, recall.total, recall, at_threshold))
    return results


def _share(right: np.ndarray, confidence: float) -> Share:
    return share(int(right.sum()), len(right), confidence)


def per_kind_table(results: list[KindResult]) -> pd.DataFrame:
    """Return a row per class and kind: the ends of intervals in columns of their own."""
    rows = []
    for result in results:
        row: dict[str, object] = {"class": result.name, "kind": result.kind, "images": result.images}
        recalls = {"recall": result.recall, "recall_at_threshold": result.recall_at_threshold or NO_SHARE}
        for name, interval in recalls.items():
            row |= {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
        rows.append(row)
    return pd.DataFrame(rows)
