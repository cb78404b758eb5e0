"""Class by class, and kind by kind: how many are predicted right, and what the others are mistaken for."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from karyocyte.evaluation.intervals.exact import share
from karyocyte.evaluation.metrics.classification import call
from karyocyte.evaluation.pooling.labelled_runs import LabelledRuns, spread
from karyocyte.evaluation.pooling.sections import Findings, flat_table
from karyocyte.evaluation.types.added import shown
from karyocyte.evaluation.types.result import ClassResult, EvaluationResult, KindResult


def per_class(runs: LabelledRuns, result: EvaluationResult) -> Findings:
    """Read a ``ClassResult`` for each of more than two classes off the confusion matrices.

    They are those of the most probable classes and, where sections of installed packages have one, the first of theirs.
    """
    classes = runs.classes
    if len(classes) <= 2:
        return Findings()
    other = next(iter(shown(result).confusions.values()), None)
    results = []
    for index, (name, row) in enumerate(zip(classes, result.test.confusion, strict=True)):
        after: tuple[float | None, str | None] = (None, None)
        if other:
            after = _recall_and_mistake(other[index], index, classes)
        results.append(ClassResult(name, sum(row), *_recall_and_mistake(row, index, classes), *after))
    if not result.test.images:
        return Findings(results)
    return Findings(results, tables={"per_class": flat_table(results)})


def _recall_and_mistake(row: list[int], index: int, classes: Sequence[str]) -> tuple[float | None, str | None]:
    """Recall and the most frequent wrong class from one row of a confusion matrix, shape (K,)."""
    images = sum(row)
    if not images:
        return None, None
    wrong = np.array(row)
    wrong[index] = 0
    if not wrong.any():
        return row[index] / images, None
    return row[index] / images, classes[int(wrong.argmax())]


def per_kind(runs: LabelledRuns, _: EvaluationResult) -> Findings:
    """Count the test images of each class and kind that are predicted right, over all folds.

    Returns:
        Each ``KindResult`` in the order of classes and names, ``recall`` at 0.5 or by the most probable class; nothing
        where no kind is known.
    """
    test = runs.test
    kinds = pd.concat([fold_test.frame["kind"] for fold_test in runs.tests]).astype("object").fillna("")
    if not kinds.astype(bool).any():
        return Findings()
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
    return Findings(results, tables={"per_kind": flat_table(results, ["recall_at_threshold"])})
