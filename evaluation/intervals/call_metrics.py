"""Metrics of calls alone, with intervals: cheap where there are many classes, groups or thresholds."""

from dataclasses import replace

import numpy as np

from common.config.schema import EvaluationConfig
from evaluation.core.labelled import LabelledPredictions
from evaluation.intervals.bootstrap import Interval, around
from evaluation.intervals.methods import SHARE
from evaluation.metrics.classification import Threshold, call
from evaluation.metrics.resampled import confusions_of_clusters, of_confusions


def call_intervals(
    scored: LabelledPredictions, names: tuple[str, ...], settings: EvaluationConfig, threshold: Threshold = 0.5
) -> dict[str, Interval]:
    """Compute metrics that need no ranks, with their intervals.

    Args:
        scored: The images.
        names: Of ``metrics.metric_names``, without ``auc`` and ``average_precision``.
        settings: Number of resamples, confidence, seed.
        threshold: See ``metrics.call``.

    Returns:
        Intervals under ``names``; the value is None where a metric is undefined.
    """
    if not len(scored.labels):
        return {name: Interval(None, None, None, None, 0, 0, 0) for name in names}
    called = call(scored.probabilities, scored.positive_index, threshold)
    tables = confusions_of_clusters(scored, called)
    k = len(scored.classes)

    def statistic(counts: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            found = of_confusions((counts @ tables).reshape(-1, k, k), scored.classes, scored.positive_index)
        return np.stack([found[name] for name in names])

    return around(statistic, names, scored, settings, SHARE)


def subset(scored: LabelledPredictions, rows: np.ndarray) -> LabelledPredictions:
    """Return some of the images, ``rows`` bool of shape (N,), with their clusters numbered anew."""
    clusters = np.unique(scored.clusters[rows], return_inverse=True)[1].astype(np.int64)
    labels = scored.labels[rows]
    probabilities = scored.probabilities[rows]
    return replace(scored, labels=labels, probabilities=probabilities, clusters=clusters, unlabelled=0)
