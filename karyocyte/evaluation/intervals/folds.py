"""The mean of a metric over folds, with an interval of its own.

Pooling puts the scores of different models on one scale; the mean over the folds does not, so that for an AUC the two
can differ. The mean's interval comes from the same draws of subjects over all folds.
"""

from collections.abc import Sequence

import numpy as np

from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.intervals.over_subjects import around
from karyocyte.evaluation.metrics.classification import Threshold, metric_names, metrics_of
from karyocyte.evaluation.metrics.labelled import LabelledPredictions
from karyocyte.evaluation.metrics.leave_one_out import Combined
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
    folds = []
    for size, end, threshold in zip(sizes, np.cumsum(sizes), thresholds, strict=True):
        folds.append(WeightedMetrics(pooled, threshold, names, slice(end - size, end)))
    mean = Combined(folds, lambda values: np.asarray(np.mean(values, axis=0)))
    return around(mean, metrics_of(names), pooled, settings)
