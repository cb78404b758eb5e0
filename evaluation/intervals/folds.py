"""The mean of a metric over folds, with an interval of its own.

Pooling puts the scores of different models on one scale; the mean over the folds does not, so that for an AUC the two
can differ. The mean's interval comes from the same draws of subjects over all folds.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from common.config.schema import EvaluationConfig
from evaluation.core.labelled import LabelledPredictions
from evaluation.intervals.bootstrap import around
from evaluation.metrics.classification import Threshold, metric_bounds, metric_names
from evaluation.metrics.resampled import Statistic, WeightedMetrics
from evaluation.result import Interval


def fold_mean_intervals(
    pooled: LabelledPredictions, sizes: Sequence[int], thresholds: Sequence[Threshold], settings: EvaluationConfig
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
    statistic = weighted_over_folds(pooled, sizes, thresholds)
    names = metric_names(pooled.classes)
    return around(statistic, names, pooled, settings, {name: metric_bounds(name) for name in names})


def weighted_over_folds(
    pooled: LabelledPredictions, sizes: Sequence[int], thresholds: Sequence[Threshold]
) -> "MeanOverFolds":
    """Return the statistic of ``fold_mean_intervals``, with the metrics of ``metrics.metric_names``."""

    def of_fold(number: int, rows: slice, fold: LabelledPredictions) -> WeightedMetrics:
        return WeightedMetrics(fold, thresholds[number])

    return MeanOverFolds(pooled, sizes, len(metric_names(pooled.classes)), of_fold)


class MeanOverFolds:
    """Maps counts of clusters, shape (B, C), to mean metrics, shape (M, B); NaN where a fold's is undefined.

    Args:
        pooled: The labelled test images of all folds, fold after fold.
        sizes: How many of them each fold has.
        metrics: M.
        of_fold: Given a fold's number, its rows in the pool and its images, with clusters numbered anew: the statistic
            of that fold alone.
    """

    def __init__(
        self,
        pooled: LabelledPredictions,
        sizes: Sequence[int],
        metrics: int,
        of_fold: Callable[[int, slice, LabelledPredictions], Statistic],
    ) -> None:
        self._metrics = metrics
        self._empty = min(sizes) == 0  # a fold without a labelled image has no metric, and so the mean has none
        self._folds = []
        ends = np.cumsum(sizes)
        for number, (start, end) in enumerate(zip(ends - np.asarray(sizes), ends, strict=True)):
            if start == end:
                continue
            clusters, own = np.unique(pooled.clusters[start:end], return_inverse=True)
            labels = pooled.labels[start:end]
            probabilities = pooled.probabilities[start:end]
            fold = replace(pooled, labels=labels, probabilities=probabilities, clusters=own.astype(np.int64))
            self._folds.append((clusters, of_fold(number, slice(start, end), fold)))

    def __call__(self, counts: np.ndarray) -> np.ndarray:
        """Return the mean metrics for counts of clusters."""
        if self._empty:
            return np.full((self._metrics, len(counts)), np.nan)
        return np.mean([metrics(counts[:, clusters]) for clusters, metrics in self._folds], axis=0)

    def defined(self, counts: np.ndarray) -> np.ndarray:
        """Return where the means are defined, bool, shape (M, B): where the metrics of every fold are."""
        defined = np.full((self._metrics, len(counts)), not self._empty)
        for clusters, metrics in self._folds:
            if hasattr(metrics, "defined"):
                defined &= metrics.defined(counts[:, clusters])
            else:
                defined &= ~np.isnan(metrics(counts[:, clusters]))
        return defined
