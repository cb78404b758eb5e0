"""Intervals that take the subject for the unit: it is left out, or drawn again, with all of its images.

Images of one subject are alike, so that they count less than as many of different subjects (the cluster bootstrap:
Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 3.8).
"""

from collections.abc import Mapping
from functools import cached_property

import numpy as np

from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.intervals.exact import share
from karyocyte.evaluation.intervals.methods import ROUNDING, Ends, percentiles, t_on_scale
from karyocyte.evaluation.metrics.classification import SHARE, Metric, Threshold, metrics_of
from karyocyte.evaluation.metrics.labelled import LabelledPredictions
from karyocyte.evaluation.metrics.leave_one_out import StatisticOfSums, batches
from karyocyte.evaluation.metrics.resampled import WeightedMetrics
from karyocyte.evaluation.types.result import Interval


class Resamples:
    """M values of a statistic on all images, and on R resamples of their C clusters, computed where they are needed.

    The same seed of the settings draws the same subjects.
    """

    def __init__(self, statistic: StatisticOfSums, scored: LabelledPredictions, settings: EvaluationConfig) -> None:
        self.statistic = statistic
        self.settings = settings
        self.clusters = scored.cluster_count
        self.images = len(scored.labels)
        # Clusters of the class that fewest have, of those that occur.
        self.rarest = min(filter(None, scored.count_clusters().values()), default=0)

    @cached_property
    def point(self) -> np.ndarray:
        """Of all images, float64, shape (M,); NaN where undefined."""
        return self.statistic(np.ones((1, self.clusters)))[:, 0]

    @cached_property
    def drawn(self) -> np.ndarray:
        """Of resamples of clusters, float64, shape (M, R)."""
        clusters = self.clusters
        rng = np.random.default_rng(self.settings.seed)
        values = []
        for rows in batches(self.settings.resamples, self.images):
            drawn = rng.integers(clusters, size=(rows.stop - rows.start, clusters))
            # How often each cluster was drawn.
            cells = drawn + clusters * np.arange(len(drawn))[:, None]
            counts = np.bincount(cells.ravel(), minlength=cells.size).reshape(cells.shape)
            values.append(self.statistic(counts))
        return np.concatenate(values, axis=1)


def intervals(
    scored: LabelledPredictions,
    settings: EvaluationConfig,
    threshold: Threshold = 0.5,
    names: tuple[str, ...] | None = None,
) -> dict[str, Interval]:
    """Compute some metrics (None: all of ``metric_names``; AUC and average precision cost most) with their intervals.

    ``threshold``: see ``metrics.classification.call``.
    """
    statistic = WeightedMetrics(scored, threshold, names)
    return around(statistic, metrics_of(statistic.names), scored, settings)


def around(
    statistic: StatisticOfSums, metrics: Mapping[str, Metric], scored: LabelledPredictions, settings: EvaluationConfig
) -> dict[str, Interval]:
    """Put intervals around what a statistic of counts of clusters is on all images; of value None where undefined.

    ``metrics`` say by name how its M values are bounded, and whether they are shares. Fewer than two clusters have no
    interval. Shares that are 0 or 1 with and without every subject have an exact end, and those of independent images a
    binomial interval.
    """
    resamples = Resamples(statistic, scored, settings)
    clusters = resamples.clusters
    found = {}
    for row, (name, metric) in enumerate(metrics.items()):
        value = float(resamples.point[row]) if clusters and not np.isnan(resamples.point[row]) else None
        if clusters < 2:
            found[name] = Interval(value, n=clusters)
            continue
        low, high, method = _ends(row, metric, resamples)
        found[name] = Interval(value, low, high, clusters, method)
    return found


def _ends(row: int, metric: Metric, resamples: Resamples) -> Ends:
    """Return low, high and method; the resamples are drawn only where a method needs them."""
    point = resamples.point[row]
    if np.isnan(point):
        return None, None, None
    interval, confidence = None, resamples.settings.confidence
    if metric.bounds == SHARE:
        interval = _exact_ends(row, metric.is_share, resamples)
    if interval is None:
        interval = t_on_scale(point, resamples.statistic.without_each[row], confidence, metric.bounds)
    return interval or percentiles(resamples.drawn[row], confidence)


def _exact_ends(row: int, is_share: bool, resamples: Resamples) -> Ends | None:
    """Return the interval of Clopper and Pearson where one holds, "binomial" of a share of independent images; or None.

    "exact": of a metric of 0 or 1 that no subject changes no resample says how far it may be off. Where a share p of
    images is right, all images of n subjects are with probability p ** n at most: the bound for n of n. A share counts
    the subjects that have such images; what compares classes (AUC) counts those of the rarest class, as n pairs of
    subjects, none in two pairs, are in order with probability AUC ** n at most.
    """
    value, confidence = resamples.point[row], resamples.settings.confidence
    images = number = int((~np.isnan(resamples.statistic.of_each[row])).sum())
    if not is_share:  # at 0 there is no bound of it
        number = min(number or resamples.rarest, resamples.rarest) * round(value)
    # Where every resample gives 0 or 1, an interval of no width would claim certainty.
    values = np.append(value, resamples.statistic.without_each[row])
    defined = values[~np.isnan(values)]
    if number and any(np.allclose(defined, end, rtol=0, atol=ROUNDING) for end in SHARE):
        exact = share(number * round(value), number, confidence)
        return exact.low, exact.high, "exact"
    # Images without subjects are independent, so that the number of hits is binomial.
    if is_share and images and resamples.clusters == resamples.images:
        hits = round(value * images)
        if abs(value * images - hits) <= ROUNDING * images:
            binomial = share(hits, images, confidence)
            return binomial.low, binomial.high, "binomial"
    return None
