"""The ends of an interval, from a statistic without each subject in turn and from its resamples.

How often each way covers the truth is measured by ``coverage.py``: ``python -m benchmarks coverage``.

- ``logit_t``: a t interval on the logit scale, with the delete-one-subject jackknife's variance (Efron, The Jackknife,
  the Bootstrap and Other Resampling Plans, 1982, chapter 3) and degrees of freedom from the kurtosis of what the
  subjects contribute (Satterthwaite, Biometrics Bulletin, 1946): few subjects, or few that carry the error, widen it.
- ``bca``: Efron, Better Bootstrap Confidence Intervals, 1987. ``percentile``: the quantiles of the resamples.
- ``expanded_bca``: BCa at quantiles of t instead of the normal distribution, since a resample varies too little by a
  factor sqrt(1 - 1 / n) (Hesterberg, What Teachers Should Know about the Bootstrap, 2015, section 5), with the same
  degrees of freedom.
"""

import warnings
from types import SimpleNamespace

import numpy as np
from scipy import special, stats

from evaluation.metrics.classification import SHARE, Bounds

__all__ = ["DIFFERENCE", "POSITIVE", "SHARE", "Bounds", "degrees_of_freedom", "ends", "t_on_scale"]

DIFFERENCE: Bounds = (-1.0, 1.0)
POSITIVE: Bounds = (0.0, np.inf)
# Sums in different order may differ by so much.
ROUNDING = 1e-12
# Where one or two subjects carry all errors, their kurtosis says 2 to 4 degrees: intervals become far wider, also of
# independent images, where the binomial distribution is known, and cover hardly more.
FEWEST_DEGREES = 8

Ends = tuple[float | None, float | None, str | None]


def ends(
    point: float,
    left_out: np.ndarray,
    drawn: np.ndarray,
    confidence: float,
    method: str = "bca",
    bounds: Bounds | None = None,
) -> Ends:
    """Return low, high and method of an interval.

    Args:
        point: The statistic of all; NaN where it is undefined.
        left_out: float64, shape (C,): the statistic without each of what is drawn from.
        drawn: float64, shape (R,): the statistic of the resamples; NaN where undefined.
        confidence: 0 to 1.
        method: "logit_t", "expanded_bca", "bca" or "percentile".
        bounds: What ``logit_t`` needs; without them it does not hold.

    Returns:
        Three times None where the statistic, or all but one of its resamples, is undefined. Where a method does not
        hold, the next one: ``logit_t`` (no bounds, a value at a bound or beyond, undefined without some subject),
        ``expanded_bca``, ``expanded_percentile``; ``bca``, ``percentile``.
    """
    drawn = drawn[~np.isnan(drawn)]
    if np.isnan(point) or drawn.size < 2:
        return None, None, None
    if method == "logit_t":
        interval = t_on_scale(point, left_out, confidence, bounds)
        if interval:
            return interval
        method = "expanded_bca"
    kind = method.removeprefix("expanded_")
    if kind != method:
        confidence, method = _expanded(confidence, left_out, drawn.size)
    low, high, held = _of_resamples(point, left_out, drawn, confidence, kind)
    return low, high, method.replace("bca", held)


def degrees_of_freedom(contributions: np.ndarray) -> float:
    """Return how many degrees of freedom the variance of a mean has: FEWEST_DEGREES to C - 1, or C - 1.

    The variance of a variance is about (kurtosis - 1) / C of its square, that of d degrees of freedom 2 / d: normal
    contributions of all subjects give C - 1, those of a tenth of them (the positive ones) a fifteenth of it.

    Args:
        contributions: float64, shape (C,), of mean 0 and not all 0.
    """
    number = len(contributions)
    squares = (contributions / np.abs(contributions).max()) ** 2
    excess = number * (squares**2).sum() / squares.sum() ** 2 - 1
    if excess > ROUNDING:
        found = 2 * number / excess
    else:
        found = np.inf
    return float(min(max(found, FEWEST_DEGREES), number - 1))


def t_on_scale(point: float, left_out: np.ndarray, confidence: float, bounds: Bounds | None) -> Ends | None:
    """Return the interval of ``logit_t``, which needs no resamples; None where it does not hold, see ``ends``."""
    if bounds is None or not _inside(np.append(point, left_out), bounds, or_at=True).all():
        return None
    if not _inside(point, bounds) or np.ptp(left_out) <= ROUNDING * max(1.0, abs(point)):
        return None
    centre = _to_scale(point, bounds)
    if _inside(left_out, bounds).all():
        values = _to_scale(left_out, bounds)
    else:
        # Where the value is at a bound without some subject, infinitely far on the scale: along the tangent.
        values = _slope(point, bounds) * left_out
    values = values - values.mean()
    error = np.sqrt((1 - 1 / len(values)) * (values**2).sum())
    reach = stats.t.ppf((1 + confidence) / 2, degrees_of_freedom(values)) * error
    return float(_from_scale(centre - reach, bounds)), float(_from_scale(centre + reach, bounds)), "logit_t"


def _inside(values: float | np.ndarray, bounds: Bounds, or_at: bool = False) -> np.ndarray:
    """Whether values lie between the bounds, by more than rounding; NaN does not."""
    if or_at:
        slack = -ROUNDING
    else:
        slack = ROUNDING
    return (np.asarray(values) > bounds[0] + slack) & (np.asarray(values) < bounds[1] - slack)


def _to_scale(values: float | np.ndarray, bounds: Bounds) -> np.ndarray:
    """Logit of the share of the way from the lower to the upper bound; the logarithm where there is no upper one."""
    low, high = bounds
    if np.isinf(high):
        return np.log(values - low)
    return special.logit((values - low) / (high - low))


def _from_scale(values: float, bounds: Bounds) -> float:
    low, high = bounds
    with np.errstate(over="ignore"):
        return low + (np.exp(values) if np.isinf(high) else (high - low) * special.expit(values))


def _slope(point: float, bounds: Bounds) -> float:
    low, high = bounds
    return 1 / (point - low) + (0.0 if np.isinf(high) else 1 / (high - point))


def _expanded(confidence: float, left_out: np.ndarray, resamples: int) -> tuple[float, str]:
    """Return the confidence at which the resamples are read, and the method; plain where nothing is known."""
    known = left_out[np.isfinite(left_out)]
    if len(known) < 2 or np.ptp(known) <= ROUNDING:
        return confidence, "bca"
    freedom = degrees_of_freedom(known - known.mean())
    quantile = np.sqrt(1 + 1 / freedom) * stats.t.ppf((1 + confidence) / 2, freedom)
    # No end can lie beyond the outermost resample.
    return float(min(1 - 2 * stats.norm.sf(quantile), 1 - 1 / resamples)), "expanded_bca"


def _of_resamples(
    point: float, left_out: np.ndarray, drawn: np.ndarray, confidence: float, kind: str
) -> tuple[float, float, str]:
    def known(index: np.ndarray, axis: int) -> np.ndarray:
        # All values are computed already; scipy asks for the value on all clusters, then for those without each one.
        # It takes their number from what it is given back; the data's, two, spare it a table of clusters by clusters.
        if index.ndim == 1:
            return point
        return left_out

    same = np.ptp(drawn) <= ROUNDING
    for method in ("percentile",) if same or kind == "percentile" else ("BCa", "percentile"):
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
