"""Exact intervals of shares."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from karyocyte.evaluation.intervals.exact import share
from karyocyte.evaluation.types.result import Interval


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.6, 0.99))
def test_the_ends_are_quantiles_of_beta_distributions(counts, confidence):
    """Clopper and Pearson's interval, as in every textbook."""
    hits, total = counts
    tail = (1 - confidence) / 2
    low = stats.beta.ppf(tail, hits, total - hits + 1) if hits else 0.0
    high = stats.beta.isf(tail, hits + 1, total - hits) if hits < total else 1.0
    actual = share(hits, total, confidence)
    assert (actual.low, actual.high) == pytest.approx((low, high), abs=1e-9)
    assert actual.value == hits / total


def test_of_nothing_there_is_no_share():
    assert share(0, 0, 0.95) == Interval(None, method="exact")
