"""Intervals of any value of rows that belong to cases."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from karyocyte.evaluation.intervals.methods import t_on_scale


def by_case(
    measure: Callable[[np.ndarray], Mapping[str, float]],
    cases: pd.Series,
    confidence: float,
    scale: tuple[float, float] = (0.0, 1.0),
) -> pd.DataFrame:
    """Return ``metric``, ``value``, ``low`` and ``high``: intervals leave out case by case; None with a single case.

    Args:
        measure: Returns values by the name of the metric, of the rows that it is given, bool, shape (n,).
        cases: Of the rows.
        confidence: Of the intervals.
        scale: The least and the largest value that there can be.
    """
    values = measure(np.ones(len(cases), bool))
    left_out = pd.DataFrame([measure((cases != case).to_numpy()) for case in sorted(set(cases))])
    rows: list[tuple[str, float, float | None, float | None]] = []
    for name, value in values.items():
        ends = None
        if len(left_out) > 1:
            ends = t_on_scale(value, left_out[name].to_numpy(np.float64), confidence, scale)
        low, high, _ = ends or (None, None, None)
        rows.append((name, value, low, high))
    return pd.DataFrame(rows, columns=["metric", "value", "low", "high"])
