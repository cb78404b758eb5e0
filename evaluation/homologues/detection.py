"""How large a rearrangement must be to be found."""

import numpy as np
import pandas as pd

from common.config.schema import EvaluationConfig
from evaluation.homologues.result import DetectionCurve
from evaluation.homologues.statistics import labelled_clusters
from evaluation.intervals.bootstrap import around
from evaluation.intervals.methods import POSITIVE, SHARE
from evaluation.result import Interval

EDGES = (0.05, 0.065, 0.085, 0.11, 0.15, 0.2, 0.27, 0.36)  # of bins of sizes; the last has no end
WANTED = 0.8  # sensitivity at the detection limit


class SizeCurve:
    """Maps counts of clusters, shape (B, C), to the sensitivity in each of S bins of sizes, and the limit: (S + 1, B).

    Args:
        found: Of each of N items, bool, shape (N,).
        bins: Its bin, int64 in 0 to S - 1, shape (N,).
        sizes: Mean size of each bin, float64, shape (S,), ascending.
        cluster: The cluster of each item, int64 in 0 to C - 1, shape (N,).
    """

    def __init__(self, found: np.ndarray, bins: np.ndarray, sizes: np.ndarray, cluster: np.ndarray) -> None:
        shape = (int(cluster.max()) + 1, len(sizes))
        self.sizes = sizes
        self.total = np.zeros(shape)
        self.hits = np.zeros(shape)
        np.add.at(self.total, (cluster, bins), 1)
        np.add.at(self.hits, (cluster, bins), found)

    def __call__(self, counts: np.ndarray) -> np.ndarray:
        """Return sensitivities and, last, the limits; NaN where there is nothing, or the limit is not reached."""
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = (counts @ self.hits) / (counts @ self.total)
        limits = np.array([detection_limit(self.sizes, row) for row in shares])
        return np.column_stack([shares, limits]).T


def detection_limit(sizes: np.ndarray, sensitivities: np.ndarray, wanted: float = WANTED) -> float:
    """Return the size from which on a sensitivity is reached.

    Between two sizes the sensitivity is taken for linear in the logarithm of the size. The least size where it is
    reached from there on, NaN where it is not at the largest.
    """
    known = ~np.isnan(sensitivities)
    sizes = np.log(sizes[known])
    reached = sensitivities[known]
    below = np.flatnonzero(reached < wanted)
    if not len(reached) or reached[-1] < wanted:
        return float("nan")
    if not len(below):
        return float(np.exp(sizes[0]))
    last = below[-1]
    share = (wanted - reached[last]) / (reached[last + 1] - reached[last])
    return float(np.exp(sizes[last] + share * (sizes[last + 1] - sizes[last])))


def detection_curve(kind: str, items: pd.DataFrame, settings: EvaluationConfig) -> DetectionCurve | None:
    """Return the curve of the items of one kind, with ``found``, ``size`` and ``cluster``; None without items."""
    if not len(items):
        return None
    size = items["size"].to_numpy(np.float64)
    edges, bins = np.unique(np.digitize(size, EDGES[1:]), return_inverse=True)
    count = np.bincount(bins)
    means = np.bincount(bins, size) / count
    cluster = np.unique(items["cluster"], return_inverse=True)[1]
    statistic = SizeCurve(items["found"].to_numpy(bool), bins, means, cluster)
    names = (*[f"sensitivity/{number}" for number in range(len(edges))], "size_limit")
    bounds = dict.fromkeys(names, SHARE) | {"size_limit": POSITIVE}
    found = around(statistic, names, labelled_clusters(cluster), settings, bounds)
    sensitivities: list[Interval] = [found[name] for name in names[:-1]]
    return DetectionCurve(kind, means.tolist(), count.tolist(), sensitivities, found["size_limit"])
