"""The mean of a metric over folds, with an interval of its own.

Pooling puts the scores of different models on one scale; the mean over the folds does not, so that for an AUC the two
can differ. The mean's interval comes from the same draws of subjects over all folds.
"""

from collections.abc import Sequence

import numpy as np

from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.intervals.bootstrap import around
from karyocyte.evaluation.metrics.classification import Threshold, metric_names, metrics_of
from karyocyte.evaluation.metrics.labelled import LabelledPredictions
from karyocyte.evaluation.metrics.resampled import WeightedMetrics, defined_on_each, without_each
from karyocyte.evaluation.types.result import Interval


def fold_mean_intervals(
    pooled: LabelledPredictions,
    sizes: Sequence[int],
    thresholds: Sequence[Threshold],
    settings: EvaluationConfig,
    names: tuple[str, ...] | None = None,
) -> dict[str, Interval]:
    """Return the mean over the folds of metrics (None: all) with its interval; None where a fold's is undefined.

    ``pooled`` are the labelled test images of all folds, fold after fold, ``sizes`` how many each has, ``thresholds``
    each fold's own (see ``metrics.classification.call``).
    """
    if names is None:
        names = metric_names(pooled.classes)
    return around(MeanOverFolds(pooled, sizes, thresholds, names), metrics_of(names), pooled, settings)


class MeanOverFolds:
    """Maps counts of clusters, shape (B, C), to M mean metrics, shape (M, B); NaN where a fold's is undefined.

    The arguments are those of ``fold_mean_intervals``.
    """

    def __init__(
        self, pooled: LabelledPredictions, sizes: Sequence[int], thresholds: Sequence[Threshold], names: tuple[str, ...]
    ) -> None:
        self._metrics = len(names)
        self._clusters = pooled.cluster_count
        self._images = len(pooled.labels)
        self._empty = min(sizes) == 0  # a fold without a labelled image has no metric, and so the mean has none
        self._folds = []
        ends = np.cumsum(sizes)
        for size, end, threshold in zip(sizes, ends, thresholds, strict=True):
            if size:
                rows = slice(end - size, end)
                statistic = WeightedMetrics(pooled.subset(rows), threshold, names)
                self._folds.append((np.unique(pooled.clusters[rows]), statistic))

    def __call__(self, counts: np.ndarray) -> np.ndarray:
        """Return the mean metrics for counts of clusters."""
        if self._empty:
            return np.full((self._metrics, len(counts)), np.nan)
        return np.asarray(np.mean([statistic(counts[:, clusters]) for clusters, statistic in self._folds], axis=0))

    def without_each(self) -> np.ndarray:
        """Return the mean metrics without each cluster, float64, shape (M, C): only the folds with it change."""
        values = np.full((self._metrics, self._clusters), np.nan)
        if self._empty:
            return values
        means = np.zeros_like(values)
        for clusters, statistic in self._folds:
            of_fold = np.repeat(statistic(np.ones((1, len(clusters)))), self._clusters, axis=1)
            of_fold[:, clusters] = without_each(statistic, len(clusters), self._images)
            means += of_fold
        return means / len(self._folds)

    def defined_on_each(self) -> np.ndarray:
        """Return whether the means are defined on each cluster alone, bool, shape (M, C): it is in every fold."""
        everywhere = np.full((self._metrics, self._clusters), not self._empty)
        for clusters, statistic in self._folds:
            of_fold = np.zeros_like(everywhere)
            of_fold[:, clusters] = defined_on_each(statistic, len(clusters), self._images)
            everywhere &= of_fold
        return everywhere
