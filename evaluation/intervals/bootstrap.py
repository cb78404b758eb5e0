"""Intervals that take the subject for the unit: it is drawn anew, or left out, with all of its images.

Images of one subject are alike, so that they count less than as many of different subjects (the cluster bootstrap:
Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 3.8).
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from common.config.schema import EvaluationConfig
from evaluation.core.labelled import LabelledPredictions
from evaluation.intervals.exact import share
from evaluation.intervals.methods import ROUNDING, SHARE, Bounds, Ends, ends
from evaluation.metrics.classification import Threshold, evaluate
from evaluation.metrics.resampled import WeightedMetrics
from evaluation.result import Interval

# Images times resamples in one batch: about 16 MB for each array of weights.
BATCH_ELEMENTS = 2_000_000
# Metrics that are a share of some images, or of some cells; the word before a slash.
SHARES = (
    *("accuracy", "sensitivity", "specificity", "precision", "recall"),
    *("cells_right", "abnormal_recovered", "normal_alarmed"),
)

Statistic = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Resamples:
    """M statistics of all images, of resamples of subjects, and without each subject; NaN where undefined.

    Attributes:
        point: float64, shape (M,).
        left_out: float64, shape (M, C), of C clusters.
        drawn: float64, shape (M, R).
        alone: On how many clusters alone each statistic is defined, int64, shape (M,): of those at 0 or 1 throughout,
            and of all where every image is a cluster; else 0.
    """

    point: np.ndarray
    left_out: np.ndarray
    drawn: np.ndarray
    alone: np.ndarray


def intervals(
    scored: LabelledPredictions, settings: EvaluationConfig, threshold: Threshold = 0.5
) -> dict[str, Interval]:
    """Compute every metric with its interval.

    Args:
        scored: The images.
        settings: Method of the interval, number of resamples, confidence, seed: the same seed draws the same subjects.
        threshold: See ``metrics.call``.

    Returns:
        Intervals under the keys of ``metrics.metric_names``.
    """
    values = evaluate(scored.labels, scored.probabilities, scored.classes, scored.positive_index, threshold)
    return bootstrap(values, WeightedMetrics(scored, threshold), scored, settings, SHARE)


def bootstrap(
    values: dict[str, float | None],
    statistic: Statistic,
    scored: LabelledPredictions,
    settings: EvaluationConfig,
    bounds: Bounds | None = None,
) -> dict[str, Interval]:
    """Put intervals around values.

    Args:
        values: M statistics of all images; None where undefined.
        statistic: The same statistics, in the same order, float64, shape (M, B), NaN where undefined, for counts of
            clusters of shape (B, C).
        scored: Whose clusters are drawn; with fewer than two there is no interval.
        settings: Method of the interval, number of resamples, confidence, seed.
        bounds: Between which all of them lie: ``interval_ends.SHARE``, DIFFERENCE or POSITIVE. ``logit_t`` needs them;
            where they are not said, ``expanded_bca`` takes its place.

    Returns:
        Intervals under the names of ``values``. With ``logit_t``, shares that are 0 or 1 with and without every subject
        have an exact end, see ``exact_end``, and those of images that stand for themselves ``binomial_ends``.
    """
    clusters = scored.cluster_count
    if clusters < 2:
        return {name: Interval(value, None, None, None, 0, 0, clusters) for name, value in values.items()}
    return of_resamples(values, resample(statistic, scored, settings), scored, settings, bounds)


def around(
    statistic: Statistic,
    names: tuple[str, ...],
    scored: LabelledPredictions,
    settings: EvaluationConfig,
    bounds: Bounds | None = None,
) -> dict[str, Interval]:
    """Put intervals around what a statistic is on all images; see ``bootstrap``."""
    point = statistic(np.ones((1, scored.cluster_count)))[:, 0]
    values = {name: None if np.isnan(one) else float(one) for name, one in zip(names, point, strict=True)}
    return bootstrap(values, statistic, scored, settings, bounds)


def resample(statistic: Statistic, scored: LabelledPredictions, settings: EvaluationConfig) -> Resamples:
    """Draw clusters with the seed of ``settings`` and compute a statistic; see ``bootstrap``."""
    clusters = scored.cluster_count
    batch = max(1, BATCH_ELEMENTS // len(scored.labels))

    def of_drawn(drawn: np.ndarray, axis: int) -> np.ndarray:
        return statistic(_count(drawn, clusters))

    with warnings.catch_warnings():
        # scipy warns where a metric is undefined on a resample; that is counted.
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        drawn = stats.bootstrap(
            (np.arange(clusters),),
            of_drawn,
            n_resamples=settings.resamples,
            batch=batch,
            method="percentile",
            vectorized=True,
            rng=np.random.default_rng(settings.seed),
        ).bootstrap_distribution
    point = statistic(np.ones((1, clusters)))[:, 0]
    left_out = _one_by_one(statistic, clusters, batch, without=True)
    alone = np.zeros(len(point), dtype=np.int64)
    wanted = _settled(point, left_out) | _single(scored)
    if wanted.any():
        alone[wanted] = (~np.isnan(_one_by_one(statistic, clusters, batch, without=False)[wanted])).sum(axis=1)
    return Resamples(point, left_out, drawn, alone)


def of_resamples(
    values: dict[str, float | None],
    resamples: Resamples,
    scored: LabelledPredictions,
    settings: EvaluationConfig,
    bounds: Bounds | None = None,
) -> dict[str, Interval]:
    """Put intervals around values whose resamples are drawn; see ``bootstrap``."""
    exact = settings.interval == "logit_t" and bounds == SHARE
    settled = _settled(resamples.point, resamples.left_out) & exact
    found = {}
    for row, (name, value) in enumerate(values.items()):
        drawn = resamples.drawn[row]
        alone = int(resamples.alone[row])
        if settled[row]:
            made = exact_end(name, value, alone, scored, settings)
        else:
            made = None
        if made is None and exact and _single(scored):
            made = binomial_ends(name, value, alone, settings.confidence)
        low, high, method = made or ends(
            resamples.point[row], resamples.left_out[row], drawn, settings.confidence, settings.interval, bounds
        )
        undefined = int(np.isnan(drawn).sum())
        found[name] = Interval(value, low, high, method, drawn.size, undefined, scored.cluster_count)
    return found


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
    return name.split("/")[0].removesuffix("_assigned") in SHARES


def _single(scored: LabelledPredictions) -> bool:
    """Whether every image is a cluster of its own."""
    return scored.cluster_count == len(scored.labels)


def _settled(point: np.ndarray, left_out: np.ndarray) -> np.ndarray:
    """Which of M statistics are 0 or 1 on all images and, where defined, without any one cluster."""
    values = np.column_stack([point, left_out])
    with np.errstate(invalid="ignore"):
        return ~np.isnan(point) & np.any(
            [((np.abs(values - end) <= ROUNDING) | np.isnan(values)).all(axis=1) for end in SHARE], axis=0
        )


def _one_by_one(statistic: Statistic, clusters: int, batch: int, without: bool) -> np.ndarray:
    """Return the statistics without each cluster in turn, or of each alone, shape (M, clusters)."""
    found = []
    for start in range(0, clusters, batch):
        rows = np.arange(start, min(start + batch, clusters))
        counts = np.full((len(rows), clusters), float(without))
        counts[np.arange(len(rows)), rows] = not without
        found.append(statistic(counts))
    return np.concatenate(found, axis=1)


def _count(drawn: np.ndarray, clusters: int) -> np.ndarray:
    """Count how often each cluster was drawn: (B, clusters) from indices (B, clusters) or (clusters,)."""
    drawn = np.atleast_2d(drawn)
    offset = clusters * np.arange(len(drawn))[:, None]
    return np.bincount((drawn + offset).ravel(), minlength=len(drawn) * clusters).reshape(-1, clusters)
