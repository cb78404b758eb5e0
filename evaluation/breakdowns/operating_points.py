"""Operating points: what a wished sensitivity costs, its threshold chosen on validation and judged on test."""

import numpy as np
import pandas as pd

from common.config.schema import EvaluationConfig
from common.predictions import Predictions
from evaluation.core.labelled import LabelledPredictions, score
from evaluation.intervals.call_metrics import call_intervals
from evaluation.metrics.thresholds import choose_threshold

WISHED = (0.90, 0.95, 0.99)
JUDGED = ("sensitivity", "specificity")


def operating_points(
    runs: list[Predictions], test: LabelledPredictions, settings: EvaluationConfig
) -> list[dict] | None:
    """Judge the thresholds that keep each sensitivity of WISHED on validation.

    Args:
        runs: One run, or folds, each with a threshold of its own.
        test: Their labelled test images, fold after fold.
        settings: Number of resamples, confidence, seed.

    Returns:
        A row per wish: ``wished``, ``threshold``, ``validation`` (``sensitivity`` and ``specificity`` there; these and
        the threshold are lists for several folds), and of the test images ``sensitivity`` and ``specificity`` as fields
        of an ``Interval``. None for more than two classes, without test images, and where a fold's validation images
        lack a class.
    """
    if test.positive_index is None or not len(test.labels):
        return None
    validations = [score(run.part("validation")) for run in runs]
    sizes = [int((run.part("test").labels >= 0).sum()) for run in runs]
    rows = []
    for wish in WISHED:
        asked = settings.model_copy(update={"threshold": "sensitivity", "sensitivity": wish})
        points = [choose_threshold(validation, asked) for validation in validations]
        if any(point.value is None for point in points):
            return None
        own = np.repeat([point.value for point in points], sizes)
        found = call_intervals(test, JUDGED, settings, own)
        rows.append(
            {
                "wished": wish,
                "threshold": _one([point.value for point in points]),
                "validation": {name: _one([getattr(point, name) for point in points]) for name in JUDGED},
                **{name: interval.as_dict() for name, interval in found.items()},
            }
        )
    return rows


def operating_points_table(rows: list[dict]) -> pd.DataFrame:
    """Return the rows as a flat table: the ends of intervals in columns of their own, folds' thresholds in one."""
    table = []
    for row in rows:
        known = {"wished": row["wished"], "threshold": _text(row["threshold"])}
        known |= {f"validation_{name}": _text(row["validation"][name]) for name in JUDGED}
        for name in JUDGED:
            known |= {name: row[name]["value"], f"{name}_low": row[name]["low"], f"{name}_high": row[name]["high"]}
        table.append(known)
    return pd.DataFrame(table)


def _one(values: list[float]) -> float | list[float]:
    if len(values) > 1:
        return values
    return values[0]


def _text(value: float | list[float]) -> float | str:
    if isinstance(value, list):
        return " ".join(f"{one:.6g}" for one in value)
    return value
