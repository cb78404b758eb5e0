"""Operating points: what a requested sensitivity costs, its threshold chosen on validation and applied to test."""

import pandas as pd

from evaluation.intervals.call_metrics import call_intervals
from evaluation.labelled_runs import LabelledRuns
from evaluation.result import SensitivityResult

REQUESTED = (0.90, 0.95, 0.99)
MEASURED = ("sensitivity", "specificity")


def operating_points(runs: LabelledRuns) -> list[SensitivityResult] | None:
    """Evaluate the thresholds that keep each sensitivity of REQUESTED on validation.

    Returns:
        None for more than two classes, without test images, and where a fold's validation images lack a class.
    """
    if runs.positive_index is None or not len(runs.test.labels):
        return None
    results = []
    for sensitivity in REQUESTED:
        points = [fold.threshold_for(sensitivity) for fold in runs.folds]
        thresholds = [point.value for point in points]
        of_images = runs.spread(thresholds)
        if of_images is None:
            return None
        validation = {name: runs.single_or_list([getattr(point, name) for point in points]) for name in MEASURED}
        metrics = call_intervals(runs.test, MEASURED, runs.settings, of_images)
        results.append(SensitivityResult(sensitivity, runs.single_or_list(thresholds), validation, **metrics))
    return results


def operating_points_table(results: list[SensitivityResult]) -> pd.DataFrame:
    """Return the rows as a flat table: the ends of intervals in columns of their own, folds' thresholds in one."""
    rows = []
    for result in results:
        row = {"wished": result.wished, "threshold": _text(result.threshold)}
        for name in MEASURED:
            row[f"validation_{name}"] = _text(result.validation[name])
        for name, interval in (("sensitivity", result.sensitivity), ("specificity", result.specificity)):
            row |= {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
        rows.append(row)
    return pd.DataFrame(rows)


def _text(value: float | list[float]) -> float | str:
    if isinstance(value, list):
        return " ".join(f"{number:.6g}" for number in value)
    return value
