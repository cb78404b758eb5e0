"""Shares of few images with exact intervals (Clopper and Pearson, Biometrika, 1934)."""

import numpy as np
from scipy.special import betaincinv

from karyocyte.evaluation.types.result import Interval


def share(hits: int, total: int, confidence: float) -> Interval:
    """Return a share with its exact two-sided interval of a confidence (0 to 1), which treats images as independent."""
    hits = int(hits)
    total = int(total)
    if not total:
        return Interval(None, method="exact")
    from scipy import stats  # here: slow to import

    ends = stats.binomtest(hits, total).proportion_ci(confidence, method="exact")
    return Interval(hits / total, float(ends.low), float(ends.high), total, "exact")


def lower_bounds(hits: np.ndarray, totals: np.ndarray, confidence: float) -> np.ndarray:
    """Return the exact one-sided lower bounds of shares, shape (N,), of totals of at least 1.

    They hold too for the share at or above a threshold that is itself a score: that share has the same beta
    distribution.
    """
    return np.asarray(np.where(hits > 0, betaincinv(np.maximum(hits, 1), totals - hits + 1, 1 - confidence), 0.0))


def upper_bound(hits: int, total: int, confidence: float) -> float:
    """Return the exact one-sided upper bound of a share; 1 of a total of 0."""
    if not total:
        return 1.0
    return 1.0 - float(lower_bounds(np.array([total - hits]), np.array([total]), confidence)[0])
