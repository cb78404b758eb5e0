"""Total variation, smoothness and their correlation with accuracy, on maps and tables whose figures are known."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from common.config.schema import EvaluationConfig
from evaluation.explain.smoothness import (
    correlation,
    correlations,
    mean_smoothness,
    smoothness,
    standardised,
    total_variation,
)

QUICK = EvaluationConfig(resamples=200)
CHECKERBOARD = np.indices((8, 8)).sum(axis=0) % 2.0
MAPS = arrays.arrays(np.float64, (2, 5, 4), elements=st.integers(-50, 50))


def make_table(rows):
    table = pd.DataFrame(rows, columns=["run", "data_set", "smoothness", "accuracy"])
    return table.assign(position="conv1", smoothness_common=table["smoothness"])


RAMP = np.tile(np.arange(4.0), (3, 1))


@pytest.mark.parametrize(
    ("maps", "expected", "tolerance"),
    [
        (CHECKERBOARD, 2.0, 1e-9),
        # Of 17 pairs the 9 horizontal ones differ by 1; the deviation of 0, 1, 2, 3 is sqrt(5) / 2.
        (RAMP, 9 / 17 / (np.sqrt(5) / 2), 1e-9),
        (RAMP.T, 9 / 17 / (np.sqrt(5) / 2), 1e-9),
        (np.add.outer(np.arange(200.0), np.arange(200.0)), 0.0, 0.02),
        (np.random.default_rng(0).normal(size=(400, 400)), 2 / np.sqrt(np.pi), 0.01),
    ],
    ids=["checkerboard", "ramp", "transposed", "long ramp", "noise"],
)
def test_known_maps(maps, expected, tolerance):
    assert total_variation(maps) == pytest.approx(expected, abs=tolerance)
    assert smoothness(maps) == pytest.approx(1 - expected * np.sqrt(np.pi) / 2, abs=tolerance)


@pytest.mark.parametrize("flat", [np.zeros((4, 4)), np.full((4, 4), 5.000001, np.float32), np.ones((1, 1))])
def test_a_map_that_does_not_vary_has_no_smoothness(flat):
    assert np.isnan(smoothness(flat))


def test_constant_channels_are_skipped_and_counted():
    values = smoothness(np.stack([np.zeros((8, 8)), CHECKERBOARD, np.ones((8, 8))]))
    assert mean_smoothness(values) == (pytest.approx(1 - np.sqrt(np.pi)), 2)
    mean, constant = mean_smoothness(values[[0, 2]])
    assert np.isnan(mean)
    assert constant == 2


@given(maps=MAPS, factor=st.floats(1e-3, 1e3), offset=st.integers(-100, 100), sign=st.sampled_from([-1, 1]))
def test_neither_scale_nor_offset_counts(maps, factor, offset, sign):
    expected = total_variation(maps)
    np.testing.assert_allclose(total_variation(sign * factor * (maps + offset)), expected, rtol=1e-6, atol=1e-9)


@given(maps=MAPS)
def test_the_range_that_the_docstring_gives(maps):
    actual = smoothness(maps)
    assert np.all(np.isnan(actual) | ((actual > -0.9) & (actual <= 1)))


@pytest.mark.parametrize(("name", "reference"), [("spearman", stats.spearmanr), ("pearson", stats.pearsonr)])
def test_coefficients_are_those_of_scipy(name, reference):
    rng = np.random.default_rng(3)
    x = rng.normal(size=30)
    y = x + rng.normal(size=30)
    value, low, high, method = correlation(x, y, name, EvaluationConfig(resamples=2000))
    assert value == pytest.approx(reference(x, y).statistic)
    assert method == "percentile"
    if name == "pearson":
        theirs = reference(x, y).confidence_interval(method=stats.BootstrapMethod(n_resamples=2000, rng=1))
        assert (low, high) == pytest.approx(tuple(theirs), abs=0.04)


def test_a_data_set_that_is_harder_and_smoother_makes_no_correlation_by_itself():
    # Within each data set the smoother run is the better one; naively pooled, it is the worse one.
    easy = [("a", "easy", 0.1, 0.90), ("b", "easy", 0.2, 0.95), ("c", "easy", 0.3, 0.98)]
    hard = [("a", "hard", 0.7, 0.50), ("b", "hard", 0.8, 0.55), ("c", "hard", 0.9, 0.58)]
    table = make_table(easy + hard)
    assert table["smoothness"].corr(table["accuracy"]) < -0.8
    actual = correlations(table, QUICK).set_index(["grid", "coefficient"])
    assert actual.loc[("own", "pearson"), "value"] > 0.9
    assert actual.loc[("own", "spearman"), ["runs", "data_sets"]].tolist() == [6, 2]


def test_the_claim_shows_as_a_negative_correlation_with_an_interval_below_zero():
    rng = np.random.default_rng(0)
    rows = [(str(i), "one", i / 10, 0.9 - i / 20 + rng.normal(scale=0.01)) for i in range(9)]
    actual = correlations(make_table(rows), QUICK).iloc[0]
    assert actual["value"] < -0.9
    assert actual["high"] < 0


def test_a_data_set_with_one_run_or_two_or_equal_runs_says_nothing():
    rows = [
        ("a", "alone", 0.1, 0.9),
        ("a", "two", 0.1, 0.9),
        ("b", "two", 0.3, 0.7),
        ("a", "equal", 0.2, 0.8),
        ("b", "equal", 0.3, 0.8),
        ("c", "equal", 0.4, 0.8),
        ("a", "undefined", np.nan, 0.9),
    ]
    assert standardised(make_table(rows), "smoothness").empty
    actual = correlations(make_table(rows), QUICK)
    assert actual["value"].isna().all()
    assert actual["low"].isna().all()
