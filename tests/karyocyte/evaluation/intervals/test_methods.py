"""The ends of intervals by hand, their fallbacks, and what they keep to."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from karyocyte.evaluation.intervals.methods import degrees_of_freedom, percentiles, t_on_scale
from karyocyte.evaluation.metrics.classification import POSITIVE, SHARE

DIFFERENCE = (-1.0, 1.0)


def mean_of(values, resamples=300, seed=0):
    """The mean, without each value in turn, and of resamples."""
    values = np.asarray(values, dtype=float)
    drawn = np.random.default_rng(seed).choice(values, (resamples, len(values))).mean(axis=1)
    return values.mean(), (values.sum() - values) / (len(values) - 1), drawn


@pytest.mark.parametrize(("shares", "freedom"), [([0.5, 0.7, 0.75, 0.8, 0.9], 4), ([0.9] * 11 + [0.5], 8)])
def test_the_t_interval_of_few_subjects_is_the_jackknifes_by_hand(shares, freedom):
    """Of five, t of 4 degrees is 1.4 times the normal quantile, and (1 - 1/5) is far from (1 - 2/5)."""
    number = len(shares)
    logits = special.logit([np.delete(shares, row).mean() for row in range(number)])
    error = np.sqrt((number - 1) / number * ((logits - logits.mean()) ** 2).sum())
    expected = special.expit(special.logit(np.mean(shares)) + error * np.array(stats.t.interval(0.95, freedom)))
    assert t_on_scale(*mean_of(shares)[:2], 0.95, SHARE) == (*map(pytest.approx, expected), "logit_t")


def test_degrees_of_freedom_are_those_of_the_subjects_that_count():
    rng = np.random.default_rng(0)
    normal = rng.normal(size=4000)
    assert degrees_of_freedom(normal - normal.mean()) == pytest.approx(4000, rel=0.15)
    half = np.concatenate([normal, np.zeros(4000)])
    assert degrees_of_freedom(half - half.mean()) == pytest.approx(3200, rel=0.15)  # 2 / (2 * 3 - 1) of 8000
    tenth = np.concatenate([normal, np.zeros(36_000)])
    assert degrees_of_freedom(tenth - tenth.mean()) == pytest.approx(40_000 / 14.5, rel=0.15)
    one = np.eye(100)[0] - 0.01
    assert degrees_of_freedom(one) == 8
    assert degrees_of_freedom(one[:5] - one[:5].mean()) == 4
    assert degrees_of_freedom(np.array([1.0, -1.0] * 5)) == 9  # never more than a variance of ten values has
    assert degrees_of_freedom(1e-200 * one) == degrees_of_freedom(one)


@given(
    st.lists(st.floats(0.01, 0.99), min_size=3, max_size=40).filter(lambda values: np.ptp(values) > 1e-3),
    st.sampled_from([SHARE, DIFFERENCE, POSITIVE]),
)
def test_t_intervals_keep_to_their_bounds_hold_the_value_and_widen_with_confidence(values, bounds):
    point, left_out, _ = mean_of(values)
    low, high, _ = t_on_scale(point, left_out, 0.9, bounds)
    wide_low, wide_high, _ = t_on_scale(point, left_out, 0.99, bounds)
    assert bounds[0] <= wide_low < low < point < high < wide_high <= bounds[1]


def test_a_single_subject_that_carries_all_errors_makes_it_wide():
    """Without it the value is 1, infinitely far on the logit scale."""
    alone, spread = mean_of([1.0] * 19 + [0.0]), mean_of([0.95] * 20 + [0.94, 0.96])
    low, high, _ = t_on_scale(*alone[:2], 0.95, SHARE)
    assert low < stats.binomtest(19, 20).proportion_ci(0.95).low  # no narrower than if they were independent images
    errors = (alone[1] - alone[1].mean()) / (0.95 * 0.05)  # along the tangent of the logit at 0.95
    reach = stats.t.ppf(0.975, 8) * np.sqrt(19 / 20 * (errors**2).sum())
    assert (low, high) == pytest.approx(tuple(special.expit(special.logit(0.95) + [-reach, reach])))
    assert np.ptp(t_on_scale(*spread[:2], 0.95, SHARE)[:2]) < 0.01


def test_a_single_subject_that_carries_all_of_a_positive_value_makes_it_wide():
    """Without it the value is 0, infinitely far on the logarithmic scale: along the tangent."""
    point, left_out, _ = mean_of([0.0] * 19 + [2.0])
    reach = stats.t.ppf(0.975, 8) * np.sqrt(19 / 20 * ((left_out - left_out.mean()) ** 2).sum()) / point
    low, high, _ = t_on_scale(point, left_out, 0.95, POSITIVE)
    assert (low, high) == pytest.approx((point * np.exp(-reach), point * np.exp(reach)))


def test_percentiles_are_quantiles_of_what_is_defined():
    drawn = mean_of([0.1, 0.4, 0.5, 0.9])[2]
    expected = np.quantile(drawn, [0.05, 0.95])
    assert percentiles(drawn, 0.9) == (*map(pytest.approx, expected), "percentile")
    holes = np.append(drawn, [np.nan] * 7)
    assert percentiles(holes, 0.9)[:2] == pytest.approx(tuple(expected))
    assert percentiles(np.append(np.full(299, np.nan), 0.5), 0.95) == (None, None, None)


def test_where_the_t_interval_does_not_hold_there_is_none():
    point, left_out, _ = mean_of([0.1, 0.4, 0.5, 0.9])
    broken = np.append(left_out[1:], np.nan)
    for value, without in ((point + 1, left_out + 1), (point, broken), (1.0, np.ones(4))):
        assert t_on_scale(value, without, 0.95, SHARE) is None
