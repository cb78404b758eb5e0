"""Intervals that take the subject for the unit: it is left out, or drawn anew, with all of its images.

Images of one subject are alike, so that they count less than as many of different subjects (the cluster bootstrap:
Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 3.8).
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import stats

from common.config.schema import EvaluationConfig
from evaluation.core.labelled import LabelledPredictions
from evaluation.intervals.exact import share
from evaluation.intervals.methods import ROUNDING, SHARE, Bounds, Ends, ends, t_on_scale
from evaluation.metrics.classification import Threshold, evaluate, metric_bounds, metric_of
from evaluation.metrics.resampled import Statistic, WeightedMetrics
from evaluation.result import Interval

# Images times resamples in one batch: about 16 MB for each array of weights.
BATCH_ELEMENTS = 2_000_000
# Beside the registered metrics: shares of some cells.
CELL_SHARES = ("cells_right", "abnormal_recovered", "normal_alarmed")


@dataclass(frozen=True)
class Resamples:
    """M statistics of all images, without each cluster, and of resamples, which are drawn where they are needed.

    Attributes:
        statistic: Of counts of clusters.
        scored: The images.
        settings: Number of resamples and seed.
    """

    statistic: Statistic
    scored: LabelledPredictions
    settings: EvaluationConfig

    @cached_property
    def point(self) -> np.ndarray:
        """Of all images, float64, shape (M,)."""
        return self.statistic(np.ones((1, self.scored.cluster_count)))[:, 0]

    @cached_property
    def left_out(self) -> np.ndarray:
        """Without each of C clusters, float64, shape (M, C)."""
        return self._one_by_one(self.statistic, without=True)

    @cached_property
    def drawn(self) -> np.ndarray:
        """Of R resamples of clusters, float64, shape (M, R); NaN where undefined."""
        return self._resample(self.statistic)

    @cached_property
    def undefined(self) -> np.ndarray:
        """On how many resamples each statistic is undefined, int64, shape (M,)."""
        if self.scored.cluster_count <= self.settings.resamples and self._defined_alone.all():
            return np.zeros(len(self.point), dtype=np.int64)
        if "drawn" in vars(self) or not hasattr(self.statistic, "defined"):
            return np.isnan(self.drawn).sum(axis=1)
        return (self._resample(lambda counts: self.statistic.defined(counts).astype(np.float64)) == 0).sum(axis=1)

    @cached_property
    def settled(self) -> np.ndarray:
        """Which statistics are 0 or 1 on all images and, where defined, without any one cluster, bool, shape (M,)."""
        values = np.column_stack([self.point, self.left_out])
        settled = np.zeros(len(values), dtype=bool)
        for end in SHARE:
            with np.errstate(invalid="ignore"):
                settled |= ((np.abs(values - end) <= ROUNDING) | np.isnan(values)).all(axis=1)
        return settled & ~np.isnan(self.point)

    @cached_property
    def alone(self) -> np.ndarray:
        """On how many clusters alone each statistic is defined, int64, shape (M,)."""
        return self._defined_alone.sum(axis=1)

    @cached_property
    def _defined_alone(self) -> np.ndarray:
        if hasattr(self.statistic, "defined"):
            return self._one_by_one(self.statistic.defined, without=False)
        return ~np.isnan(self._one_by_one(self.statistic, without=False))

    @property
    def _batch(self) -> int:
        return max(1, BATCH_ELEMENTS // len(self.scored.labels))

    def _one_by_one(self, statistic: Callable[[np.ndarray], np.ndarray], without: bool) -> np.ndarray:
        """Return the statistic without each cluster in turn, or of each alone, shape (M, C)."""
        clusters = self.scored.cluster_count
        values = []
        for start in range(0, clusters, self._batch):
            rows = np.arange(start, min(start + self._batch, clusters))
            counts = np.full((len(rows), clusters), float(without))
            counts[np.arange(len(rows)), rows] = not without
            values.append(statistic(counts))
        return np.concatenate(values, axis=1)

    def _resample(self, statistic: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Return the statistic of resamples, shape (M, R)."""
        clusters = self.scored.cluster_count

        def of_drawn(drawn: np.ndarray, axis: int) -> np.ndarray:
            return statistic(_count(drawn, clusters))

        with warnings.catch_warnings():
            # scipy warns where a metric is undefined on a resample; that is counted.
            warnings.simplefilter("ignore", stats.DegenerateDataWarning)
            return stats.bootstrap(
                (np.arange(clusters),),
                of_drawn,
                n_resamples=self.settings.resamples,
                batch=self._batch,
                method="percentile",
                vectorized=True,
                rng=np.random.default_rng(self.settings.seed),
            ).bootstrap_distribution


def intervals(
    scored: LabelledPredictions, settings: EvaluationConfig, threshold: Threshold = 0.5
) -> dict[str, Interval]:
    """Compute every metric with its interval.

    Args:
        scored: The images.
        settings: Method of the interval, number of resamples, confidence, seed: the same seed draws the same subjects.
        threshold: See ``metrics.classification.call``.

    Returns:
        Intervals under the keys of ``metric_names``.
    """
    values = evaluate(scored.labels, scored.probabilities, scored.classes, scored.positive_index, threshold)
    bounds = {name: metric_bounds(name) for name in values}
    return bootstrap(values, WeightedMetrics(scored, threshold), scored, settings, bounds)


def bootstrap(
    values: dict[str, float | None],
    statistic: Statistic,
    scored: LabelledPredictions,
    settings: EvaluationConfig,
    bounds: Bounds | Mapping[str, Bounds] | None = None,
) -> dict[str, Interval]:
    """Put intervals around values.

    Args:
        values: M statistics of all images; None where undefined.
        statistic: The same statistics, in the same order, for counts of clusters.
        scored: Whose clusters are left out or drawn; with fewer than two there is no interval.
        settings: Method of the interval, number of resamples, confidence, seed.
        bounds: Between which all of them are, or each: such as ``methods.SHARE``, DIFFERENCE or POSITIVE. ``logit_t``
            needs them; without them ``expanded_bca`` takes its place.

    Returns:
        Intervals under the names of ``values``. With ``logit_t``, shares that are 0 or 1 with and without every subject
        have an exact end, see ``exact_end``, and those of images that stand for themselves ``binomial_ends``.
    """
    clusters = scored.cluster_count
    if clusters < 2:
        return {name: Interval(value, None, None, None, 0, 0, clusters) for name, value in values.items()}
    return of_resamples(values, Resamples(statistic, scored, settings), settings, bounds)


def around(
    statistic: Statistic,
    names: tuple[str, ...],
    scored: LabelledPredictions,
    settings: EvaluationConfig,
    bounds: Bounds | Mapping[str, Bounds] | None = None,
) -> dict[str, Interval]:
    """Put intervals around what a statistic is on all images; see ``bootstrap``."""
    point = Resamples(statistic, scored, settings).point
    values = {name: None if np.isnan(value) else float(value) for name, value in zip(names, point, strict=True)}
    return bootstrap(values, statistic, scored, settings, bounds)


def of_resamples(
    values: dict[str, float | None],
    resamples: Resamples,
    settings: EvaluationConfig,
    bounds: Bounds | Mapping[str, Bounds] | None = None,
) -> dict[str, Interval]:
    """Put intervals around values of which there are resamples; see ``bootstrap``."""
    intervals = {}
    for row, (name, value) in enumerate(values.items()):
        of_name = bounds[name] if isinstance(bounds, Mapping) else bounds
        low, high, method = _ends(row, name, value, resamples, settings, of_name)
        undefined = int(resamples.undefined[row])
        clusters = resamples.scored.cluster_count
        intervals[name] = Interval(value, low, high, method, settings.resamples, undefined, clusters)
    return intervals


def _ends(
    row: int,
    name: str,
    value: float | None,
    resamples: Resamples,
    settings: EvaluationConfig,
    bounds: Bounds | None,
) -> Ends:
    """Return low, high and method; the resamples are drawn only where a method needs them."""
    if settings.interval == "logit_t" and value is not None:
        interval = None
        if bounds == SHARE and resamples.settled[row]:
            interval = exact_end(name, value, int(resamples.alone[row]), resamples.scored, settings)
        if interval is None and bounds == SHARE and _single(resamples.scored):
            interval = binomial_ends(name, value, int(resamples.alone[row]), settings.confidence)
        if interval is None and settings.resamples - resamples.undefined[row] > 1:
            interval = t_on_scale(resamples.point[row], resamples.left_out[row], settings.confidence, bounds)
        if interval is not None:
            return interval
    if np.isnan(resamples.point[row]):
        return None, None, None
    point, left_out, drawn = resamples.point[row], resamples.left_out[row], resamples.drawn[row]
    return ends(point, left_out, drawn, settings.confidence, settings.interval, bounds)


def exact_end(
    name: str, value: float, alone: int, scored: LabelledPredictions, settings: EvaluationConfig
) -> Ends | None:
    """Return the interval of a metric of 0 or 1 that no subject changes: no resample says how far it may be off.

    Where a share p of images is called rightly, all images of n subjects are with probability p ** n at most, however
    alike those of one subject are: the bound of Clopper and Pearson for n of n. A share counts the subjects that have
    such images. What compares classes (AUC) counts those of the rarest class: n pairs of subjects, none of them in two
    pairs, are in order with probability AUC ** n at most.

    Args:
        name: Of the metric.
        value: 0 or 1 (within rounding).
        alone: On how many clusters alone it is defined.
        scored: The images.
        settings: For the confidence.

    Returns:
        low, high and "exact"; None for 0 where the metric is not a share.
    """
    is_share = _is_share(name)
    rarest = min(count for count in scored.count_clusters().values() if count)
    if is_share:
        number = alone
    else:
        number = min(alone or rarest, rarest)
    if not number or (value < 0.5 and not is_share):
        return None
    found = share(number if value > 0.5 else 0, number, settings.confidence)
    return found.low, found.high, "exact"


def binomial_ends(name: str, value: float | None, images: int, confidence: float) -> Ends | None:
    """Return the interval of a share of images that all stand for themselves: its distribution is known.

    Args:
        name: Of the metric.
        value: 0 to 1.
        images: Of how many it is the share.
        confidence: 0 to 1.

    Returns:
        low, high (Clopper and Pearson) and "binomial"; None where the metric is not a share of so many images.
    """
    if not images or value is None or not _is_share(name):
        return None
    hits = round(value * images)
    if abs(value * images - hits) > ROUNDING * images:
        return None
    found = share(hits, images, confidence)
    return found.low, found.high, "binomial"


def _is_share(name: str) -> bool:
    name = name.partition("/")[0].removesuffix("_assigned")
    metric = metric_of(name)
    return name in CELL_SHARES or (metric is not None and metric.is_share)


def _single(scored: LabelledPredictions) -> bool:
    """Whether every image is a cluster of its own."""
    return scored.cluster_count == len(scored.labels)


def _count(drawn: np.ndarray, clusters: int) -> np.ndarray:
    """Count how often each cluster was drawn: (B, clusters) from indices (B, clusters) or (clusters,)."""
    drawn = np.atleast_2d(drawn)
    offset = clusters * np.arange(len(drawn))[:, None]
    return np.bincount((drawn + offset).ravel(), minlength=len(drawn) * clusters).reshape(-1, clusters)
