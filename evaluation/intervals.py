"""Bootstrap intervals that resample subjects.

Images of one subject are alike, so the subject is what is drawn anew, with all of its images (the cluster bootstrap:
Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 3.8). BCa: Efron, Better Bootstrap
Confidence Intervals, 1987.
"""

import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from types import SimpleNamespace

import numpy as np
from scipy import stats

from common.schema import EvaluationConfig
from evaluation.metrics import Threshold, evaluate
from evaluation.scored import Scored
from evaluation.weighted import WeightedMetrics

# Images times resamples in one batch: about 16 MB for each array of weights.
BATCH_ELEMENTS = 2_000_000

Statistic = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Interval:
    """A value and how far it may be off.

    Attributes:
        value: The metric on all images; None where undefined.
        low: Lower end of the interval; None where there is none.
        high: Upper end.
        method: "bca", "percentile" where BCa does not hold, None where there is no interval.
        resamples: How many resamples were drawn.
        undefined: On how many of them the metric was undefined; they are left out of the interval.
        clusters: How many subjects (images where no subject is known) were drawn from.
    """

    value: float | None
    low: float | None
    high: float | None
    method: str | None
    resamples: int
    undefined: int
    clusters: int

    def as_dict(self) -> dict:
        """Return the fields as a JSON-able mapping."""
        return asdict(self)


def intervals(scored: Scored, settings: EvaluationConfig, threshold: Threshold = 0.5) -> dict[str, Interval]:
    """Compute every metric with its interval.

    Args:
        scored: The images.
        settings: Number of resamples, confidence, seed: the same seed draws the same subjects.
        threshold: See ``metrics.call``.

    Returns:
        Intervals under the keys of ``metrics.metric_names``.
    """
    values = evaluate(scored.labels, scored.probabilities, scored.classes, scored.positive_index, threshold)
    return bootstrap(values, WeightedMetrics(scored, threshold), scored, settings)


def bootstrap(
    values: dict[str, float | None], statistic: Statistic, scored: Scored, settings: EvaluationConfig
) -> dict[str, Interval]:
    """Put intervals around values.

    Args:
        values: M statistics of all images; None where undefined.
        statistic: The same statistics, in the same order, float64, shape (M, B), NaN where undefined, for counts of
            clusters of shape (B, C).
        scored: Whose clusters are drawn; with fewer than two there is no interval.
        settings: Number of resamples, confidence, seed.

    Returns:
        Intervals under the names of ``values``.
    """
    clusters = scored.cluster_count
    if clusters < 2:
        return {name: Interval(value, None, None, None, 0, 0, clusters) for name, value in values.items()}
    ends = _resample(statistic, scored, settings)
    return {name: Interval(value, *end) for (name, value), end in zip(values.items(), ends, strict=True)}


def around(
    statistic: Statistic, names: tuple[str, ...], scored: Scored, settings: EvaluationConfig
) -> dict[str, Interval]:
    """Put intervals around what a statistic is on all images; see ``bootstrap``."""
    point = statistic(np.ones((1, scored.cluster_count)))[:, 0]
    values = {name: None if np.isnan(one) else float(one) for name, one in zip(names, point, strict=True)}
    return bootstrap(values, statistic, scored, settings)


def _resample(statistic: Statistic, scored: Scored, settings: EvaluationConfig) -> list[tuple]:
    """Return for each metric (low, high, method, resamples, undefined, clusters)."""
    clusters = scored.cluster_count
    batch = max(1, BATCH_ELEMENTS // len(scored.labels))
    index = np.arange(clusters)

    def of_drawn(drawn: np.ndarray, axis: int) -> np.ndarray:
        return statistic(_count(drawn, clusters))

    with warnings.catch_warnings():
        # scipy warns where a metric is undefined on a resample; that is counted below.
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        drawn = stats.bootstrap(
            (index,),
            of_drawn,
            n_resamples=settings.resamples,
            batch=batch,
            method="percentile",
            vectorized=True,
            rng=np.random.default_rng(settings.seed),
        ).bootstrap_distribution
    point = statistic(np.ones((1, clusters)))[:, 0]
    left_out = _leave_one_out(statistic, clusters, batch)
    return [
        (*ends(point[m], left_out[m], drawn[m], settings.confidence), settings.resamples, _nans(drawn[m]), clusters)
        for m in range(len(point))
    ]


def ends(
    point: float, left_out: np.ndarray, drawn: np.ndarray, confidence: float
) -> tuple[float | None, float | None, str | None]:
    """Return low, high and method of an interval: BCa, or percentiles where BCa does not hold.

    Args:
        point: The statistic of all; NaN where it is undefined.
        left_out: float64, shape (C,): the statistic without each of what is drawn from.
        drawn: float64, shape (R,): the statistic of the resamples; NaN where undefined.
        confidence: 0 to 1.

    Returns:
        Three times None where the statistic, or all but one of its resamples, is undefined.
    """
    drawn = drawn[~np.isnan(drawn)]
    if np.isnan(point) or drawn.size < 2:
        return None, None, None

    def known(index: np.ndarray, axis: int) -> np.ndarray:
        # All values are computed already; scipy asks for the value on all clusters, then for those without each one.
        # It takes their number from what it is given back; the data's, two, spare it a table of clusters by clusters.
        return point if index.ndim == 1 else left_out

    for method in ("BCa", "percentile"):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", stats.DegenerateDataWarning)
            low, high = stats.bootstrap(
                (np.arange(2),),
                known,
                n_resamples=0,
                bootstrap_result=SimpleNamespace(bootstrap_distribution=drawn),
                confidence_level=confidence,
                method=method,
                vectorized=True,
            ).confidence_interval
        if np.isfinite([low, high]).all():
            break
    # Equal values, reached by sums in different order, may differ in the last bit.
    return float(min(low, high)), float(max(low, high)), method.lower()


def _leave_one_out(statistic: Statistic, clusters: int, batch: int) -> np.ndarray:
    """Return the metrics without each cluster in turn, shape (M, clusters)."""
    without = []
    for start in range(0, clusters, batch):
        rows = np.arange(start, min(start + batch, clusters))
        counts = np.ones((len(rows), clusters))
        counts[np.arange(len(rows)), rows] = 0
        without.append(statistic(counts))
    return np.concatenate(without, axis=1)


def _count(drawn: np.ndarray, clusters: int) -> np.ndarray:
    """Count how often each cluster was drawn: (B, clusters) from indices (B, clusters) or (clusters,)."""
    drawn = np.atleast_2d(drawn)
    offset = clusters * np.arange(len(drawn))[:, None]
    return np.bincount((drawn + offset).ravel(), minlength=len(drawn) * clusters).reshape(-1, clusters)


def _nans(values: np.ndarray) -> int:
    return int(np.isnan(values).sum())
