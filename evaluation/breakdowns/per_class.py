"""Class by class: how many are found, and what the others are taken for."""

import numpy as np
import pandas as pd

from common.predictions import Predictions
from evaluation.core.labelled import cases
from evaluation.intervals.exact import share
from evaluation.metrics.classification import call


def per_class(classes: list[str], confusion: list[list[int]], assigned: list[list[int]] | None) -> list[dict]:
    """Read a row per class off confusion matrices.

    Args:
        classes: The K class names.
        confusion: Most probable classes, shape (K, K), rows the truth.
        assigned: The same of cells placed jointly, None where there are none.

    Returns:
        Mappings of ``class``, ``images``, ``recall`` (0 to 1), ``mistaken_for`` (the most frequent wrong class), and
        both again ``_assigned``. None where there is no image, nothing wrong, or no cells.
    """
    matrices = {"": np.array(confusion), "_assigned": None if assigned is None else np.array(assigned)}
    rows = []
    for index, name in enumerate(classes):
        row = {"class": name, "images": int(matrices[""][index].sum())}
        for suffix, matrix in matrices.items():
            recall, wrong = (None, None) if matrix is None else _recall_and_wrong(matrix[index], index)
            row |= {f"recall{suffix}": recall, f"mistaken_for{suffix}": None if wrong is None else classes[wrong]}
        rows.append(row)
    return rows


def _recall_and_wrong(counts: np.ndarray, index: int) -> tuple[float | None, int | None]:
    """Recall and the most frequent wrong class from one row of a confusion matrix, shape (K,)."""
    if not counts.sum():
        return None, None
    wrong = counts.copy()
    wrong[index] = 0
    return float(counts[index] / counts.sum()), int(wrong.argmax()) if wrong.any() else None


def per_kind(runs: list[Predictions], thresholds: list[float | None], confidence: float) -> list[dict] | None:
    """Count the rightly called test images of each kind, over all folds.

    Args:
        runs: One run, or folds of one experiment.
        thresholds: Each fold's own, None where it has none.
        confidence: Of the exact intervals, which take images for independent.

    Returns:
        A row per class and kind, in the order of classes and names: ``class``, ``kind`` (None where it is unknown),
        ``images``, ``recall`` (at 0.5, or of the most probable class) and ``recall_at_threshold`` (None where there is
        no threshold), as ``exact.share``. None where no kind is known.
    """
    tests = [cases(run.part("test")) for run in runs]
    known = pd.concat([test.frame["kind"] for test in tests]).astype("object")
    kinds = known.where(known.notna(), "").to_numpy()
    if not any(kinds):
        return None
    labels = np.concatenate([test.labels for test in tests])
    half = np.concatenate([test.plain.called for test in tests]) == labels
    chosen = None
    if None not in thresholds and runs[0].positive_index is not None:
        own = zip(tests, thresholds, strict=True)
        calls = [call(test.scored.probabilities, test.scored.positive_index, threshold) for test, threshold in own]
        chosen = np.concatenate(calls) == labels
    rows = []
    for index, name in enumerate(runs[0].classes):
        for kind in sorted(set(kinds[labels == index])):
            of_kind = (labels == index) & (kinds == kind)
            right = {"recall": half, "recall_at_threshold": chosen}
            recalls = {
                key: None if hits is None else share(hits[of_kind].sum(), of_kind.sum(), confidence)
                for key, hits in right.items()
            }
            rows.append({"class": name, "kind": kind or None, "images": int(of_kind.sum()), **recalls})
    return rows


def per_kind_table(rows: list[dict]) -> pd.DataFrame:
    """Return what ``per_kind`` found as a flat table: the ends of intervals in columns of their own."""
    columns = (("", "value"), ("_low", "low"), ("_high", "high"))
    return pd.DataFrame(
        [
            {name: row[name] for name in ("class", "kind", "images")}
            | {
                f"{recall}{suffix}": (row[recall] or {}).get(key)
                for recall in ("recall", "recall_at_threshold")
                for suffix, key in columns
            }
            for row in rows
        ]
    )
