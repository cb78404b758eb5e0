"""Class by class, and kind by kind: how many are predicted right, and what the others are mistaken for."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from evaluation.intervals.exact import share
from evaluation.labelled_runs import LabelledRuns, spread
from evaluation.metrics.classification import call
from evaluation.result import ClassResult, KindResult, Matrix


def per_class(classes: Sequence[str], confusion: Matrix, assigned: Matrix | None) -> list[ClassResult] | None:
    """Read a result per class off confusion matrices, shape (K, K), rows the truth; None for two classes.

    ``confusion`` is that of the most probable classes, ``assigned`` that of the joint assignment, None without.
    """
    if len(classes) <= 2:
        return None
    results = []
    for index, name in enumerate(classes):
        after = _recall_and_mistake(assigned[index], index, classes) if assigned else (None, None)
        before = _recall_and_mistake(confusion[index], index, classes)
        results.append(ClassResult(name, sum(confusion[index]), *before, *after))
    return results


def _recall_and_mistake(row: list[int], index: int, classes: Sequence[str]) -> tuple[float | None, str | None]:
    """Recall and the most frequent wrong class from one row of a confusion matrix, shape (K,)."""
    images = sum(row)
    if not images:
        return None, None
    wrong = np.array(row)
    wrong[index] = 0
    return row[index] / images, classes[int(wrong.argmax())] if wrong.any() else None


def per_kind(runs: LabelledRuns) -> list[KindResult] | None:
    """Count the test images of each class and kind that are predicted right, over all folds.

    Returns:
        In the order of classes and names, ``recall`` at 0.5 or by the most probable class; None where no kind is known.
    """
    test = runs.test
    kinds = pd.concat([fold_test.frame["kind"] for fold_test in runs.tests]).astype("object").fillna("")
    if not kinds.astype(bool).any():
        return None
    images = pd.DataFrame({"label": test.labels, "kind": kinds.to_numpy()})
    images["right"] = call(test.probabilities, test.positive_index) == test.labels
    thresholds = spread(runs.thresholds, runs.sizes)
    if thresholds is not None and test.positive_index is not None:
        images["right_at_threshold"] = call(test.probabilities, test.positive_index, thresholds) == test.labels
    confidence = runs.settings.confidence
    results = []
    for (label, kind), rows in images.groupby(["label", "kind"]):
        at_threshold = None
        if "right_at_threshold" in rows:
            at_threshold = share(rows["right_at_threshold"].sum(), len(rows), confidence)
        recall = share(rows["right"].sum(), len(rows), confidence)
        results.append(KindResult(runs.classes[label], kind or None, len(rows), recall, at_threshold))
    return results
