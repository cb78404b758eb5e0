"""The ends of an interval, from a statistic without each subject in turn or from its resamples.

- ``logit_t``: a t interval on the logit scale, with the delete-one-subject jackknife's variance (Efron, The Jackknife,
  the Bootstrap and Other Resampling Plans, 1982, chapter 3) and degrees of freedom from the kurtosis of what the
  subjects contribute (Satterthwaite, Biometrics Bulletin, 1946): few subjects, or few that carry the error, widen it.
- ``percentile``: the quantiles of the resamples, where ``logit_t`` does not hold.

results/coverage.csv has how often each covers the truth.
"""

import numpy as np
from scipy import special

from karyocyte.evaluation.metrics.classification import Bounds

# Sums in different order may differ by so much.
ROUNDING = 1e-12
# Where one or two subjects carry all errors, their kurtosis says 2 to 4 degrees: intervals become far wider, also of
# independent images, where the binomial distribution is known, and gain little coverage.
FEWEST_DEGREES = 8

Ends = tuple[float | None, float | None, str | None]


def percentiles(drawn: np.ndarray, confidence: float) -> Ends:
    """Return low, high and method of an interval from resamples, float64, shape (R,), NaN where undefined.

    Three times None where fewer than two are defined.
    """
    drawn = drawn[~np.isnan(drawn)]
    if drawn.size < 2:
        return None, None, None
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high), "percentile"


def degrees_of_freedom(contributions: np.ndarray) -> float:
    """Return how many degrees of freedom the variance of a mean has: FEWEST_DEGREES to C - 1, or C - 1.

    The variance of a variance is about (kurtosis - 1) / C of its square, that of d degrees of freedom 2 / d.
    ``contributions`` (C,) have mean 0 and are not all 0.
    """
    number = len(contributions)
    squares = (contributions / np.abs(contributions).max()) ** 2
    excess = number * (squares**2).sum() / squares.sum() ** 2 - 1
    freedom = 2 * number / excess if excess > ROUNDING else np.inf
    return float(min(max(freedom, FEWEST_DEGREES), number - 1))


def t_on_scale(point: float, left_out: np.ndarray, confidence: float, bounds: Bounds) -> Ends | None:
    """Return the interval of ``logit_t`` of a statistic (``point``), within ``bounds``; it needs no resamples.

    ``left_out`` (C,) is the statistic without each subject. None where the method does not hold: a value at a bound or
    beyond, undefined without some subject, or the same without every subject.
    """
    low, high = bounds
    values = np.append(point, left_out)
    # Comparisons with NaN are false.
    if not ((values > low - ROUNDING) & (values < high + ROUNDING)).all():
        return None
    inside = (values > low + ROUNDING) & (values < high - ROUNDING)
    if not inside[0] or np.ptp(left_out) <= ROUNDING * max(1.0, abs(point)):
        return None
    centre = _to_scale(np.array(point), bounds)
    if inside.all():
        contributions = _to_scale(left_out, bounds)
    else:
        # Where the value is at a bound without some subject, infinitely far on the scale: along the tangent.
        slope = 1 / (point - low) + (0.0 if np.isinf(high) else 1 / (high - point))
        contributions = slope * left_out
    contributions = contributions - contributions.mean()
    error = np.sqrt((1 - 1 / len(left_out)) * (contributions**2).sum())
    reach = special.stdtrit(degrees_of_freedom(contributions), (1 + confidence) / 2) * error
    scaled = np.array([centre - reach, centre + reach])
    with np.errstate(over="ignore"):
        found = low + (np.exp(scaled) if np.isinf(high) else (high - low) * special.expit(scaled))
    return float(found[0]), float(found[1]), "logit_t"


def _to_scale(values: np.ndarray, bounds: Bounds) -> np.ndarray:
    """Logit of the share of the way from the lower to the upper bound; the logarithm where there is no upper one."""
    low, high = bounds
    if np.isinf(high):
        return np.asarray(np.log(values - low))
    return np.asarray(special.logit((values - low) / (high - low)))
