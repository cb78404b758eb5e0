"""The mean of a metric over folds, with an interval of its own.

Pooling puts the scores of different models on one scale; the mean over the folds does not, so that for an AUC the two
can differ. The mean's interval comes from the same draws of subjects over all folds.
"""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.intervals.bootstrap import around
from karyocyte.evaluation.metrics.classification import Threshold, metric_names, metrics_of
from karyocyte.evaluation.metrics.labelled import LabelledPredictions
from karyocyte.evaluation.metrics.leave_one_out import StatisticOfSums
from karyocyte.evaluation.metrics.resampled import WeightedMetrics
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


class MeanOverFolds(StatisticOfSums):
    """Maps counts of clusters, shape (B, C), to M mean metrics, shape (M, B); NaN where a fold's is undefined.

    The arguments are those of ``fold_mean_intervals``.
    """

    def __init__(
        self, pooled: LabelledPredictions, sizes: Sequence[int], thresholds: Sequence[Threshold], names: tuple[str, ...]
    ) -> None:
        self._folds = []
        sums = []
        ends = np.cumsum(sizes)
        for size, end, threshold in zip(sizes, ends, thresholds, strict=True):
            rows = slice(end - size, end)
            statistic = WeightedMetrics(pooled.subset(rows), threshold, names)
            clusters = np.unique(pooled.clusters[rows])
            # Of all clusters; those that are not in this fold add nothing to it.
            places = (clusters, np.arange(len(clusters)))
            placed = sparse.csr_array((np.ones(len(clusters)), places), shape=(pooled.cluster_count, len(clusters)))
            self._folds.append(statistic)
            sums.append(placed @ statistic.sums)
        self._ends = np.cumsum([each.shape[1] for each in sums])[:-1]
        super().__init__(sparse.hstack(sums, format="csr"), self._mean)

    def _mean(self, totals: np.ndarray) -> np.ndarray:
        of_folds = zip(self._folds, np.split(totals, self._ends, axis=1), strict=True)
        return np.asarray(np.mean([statistic.of_totals(of_fold) for statistic, of_fold in of_folds], axis=0))
