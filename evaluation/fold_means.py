"""The mean of a metric over folds, with an interval of its own.

Pooling puts the scores of different models on one scale; the mean over the folds does not, so that for an AUC the two
can differ. The mean's interval comes from the same draws of subjects over all folds.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from common.schema import EvaluationConfig
from evaluation.intervals import Interval, bootstrap
from evaluation.metrics import Threshold, metric_names
from evaluation.scored import Scored
from evaluation.weighted import WeightedMetrics


def fold_mean_intervals(
    pooled: Scored, sizes: Sequence[int], thresholds: Sequence[Threshold], settings: EvaluationConfig
) -> dict[str, Interval]:
    """Return the mean over the folds of every metric, with its interval.

    Args:
        pooled: The labelled test images of all folds, fold after fold.
        sizes: How many of them each fold has.
        thresholds: Each fold's own; see ``metrics.call``.
        settings: Number of resamples, confidence, seed.

    Returns:
        Intervals under the keys of ``metrics.metric_names``; the value is None where a fold's is undefined.
    """
    statistic = MeanOverFolds(pooled, sizes, thresholds)
    point = statistic(np.ones((1, pooled.cluster_count)))[:, 0]
    values = {name: None if np.isnan(one) else float(one) for name, one in zip(statistic.names, point, strict=True)}
    return bootstrap(values, statistic, pooled, settings)


class MeanOverFolds:
    """Maps counts of clusters, shape (B, C), to mean metrics, shape (M, B); NaN where a fold's is undefined.

    The arguments are those of ``fold_mean_intervals``.
    """

    def __init__(self, pooled: Scored, sizes: Sequence[int], thresholds: Sequence[Threshold]) -> None:
        self.names = metric_names(pooled.classes)
        self.folds = []
        self.empty = min(sizes) == 0  # a fold without a labelled image has no metric, and so the mean has none
        ends = np.cumsum(sizes)
        for start, end, threshold in zip(ends - np.asarray(sizes), ends, thresholds, strict=True):
            if start == end:
                continue
            clusters, own = np.unique(pooled.clusters[start:end], return_inverse=True)
            labels, probabilities = pooled.labels[start:end], pooled.probabilities[start:end]
            fold = replace(pooled, labels=labels, probabilities=probabilities, clusters=own.astype(np.int64))
            self.folds.append((clusters, WeightedMetrics(fold, threshold)))

    def __call__(self, counts: np.ndarray) -> np.ndarray:
        """Return the mean metrics for counts of clusters."""
        if self.empty:
            return np.full((len(self.names), len(counts)), np.nan)
        return np.mean([metrics(counts[:, clusters]) for clusters, metrics in self.folds], axis=0)
