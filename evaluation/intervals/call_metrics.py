"""Some of the metrics with intervals, and some of the images."""

from dataclasses import replace

import numpy as np

from common.config.schema import EvaluationConfig
from evaluation.core.labelled import LabelledPredictions
from evaluation.intervals.bootstrap import around
from evaluation.metrics.classification import Threshold, metric_bounds
from evaluation.metrics.resampled import WeightedMetrics
from evaluation.result import Interval


def call_intervals(
    scored: LabelledPredictions, names: tuple[str, ...], settings: EvaluationConfig, threshold: Threshold = 0.5
) -> dict[str, Interval]:
    """Compute some metrics with their intervals.

    Args:
        scored: The images.
        names: Of ``metric_names``; those of scores cost most.
        settings: Number of resamples, confidence, seed.
        threshold: See ``metrics.classification.call``.

    Returns:
        Intervals under ``names``; the value is None where a metric is undefined.
    """
    if not len(scored.labels):
        return {name: Interval(None, None, None, None, 0, 0, 0) for name in names}
    bounds = {name: metric_bounds(name) for name in names}
    return around(WeightedMetrics(scored, threshold, names), names, scored, settings, bounds)


def subset(scored: LabelledPredictions, rows: np.ndarray) -> LabelledPredictions:
    """Return some of the images, ``rows`` bool of shape (N,), with their clusters numbered anew."""
    clusters = np.unique(scored.clusters[rows], return_inverse=True)[1].astype(np.int64)
    labels = scored.labels[rows]
    probabilities = scored.probabilities[rows]
    return replace(scored, labels=labels, probabilities=probabilities, clusters=clusters, unlabelled=0)
