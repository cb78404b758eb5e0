"""Intervals against scipy's bootstrap, the resampling of subjects, and exact ends."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.intervals.methods import percentiles
from karyocyte.evaluation.intervals.over_subjects import Resamples, around, intervals
from karyocyte.evaluation.metrics.classification import DIFFERENCE, Metric, metric_names, metric_of
from karyocyte.evaluation.metrics.labelled import score
from karyocyte.evaluation.metrics.leave_one_out import StatisticOfSums
from karyocyte.evaluation.metrics.resampled import WeightedMetrics
from tests.helpers.predictions import make_predictions, with_scores

SETTINGS = EvaluationConfig(resamples=400, seed=3)


@pytest.mark.parametrize("name", ["accuracy", "auc"])
def test_without_subjects_it_is_scipys_percentiles_over_images(name):
    scored = score(make_predictions(images=40, subjects=None, skill=1.0))
    positive = scored.probabilities[:, 1]
    statistics = {
        "accuracy": lambda rows: ((positive >= 0.5) == scored.labels)[rows].mean(),
        "auc": lambda rows: roc_auc_score(scored.labels[rows], positive[rows]),
    }
    expected = stats.bootstrap(
        (np.arange(40),),
        statistics[name],
        vectorized=False,
        method="percentile",
        n_resamples=SETTINGS.resamples,
        rng=np.random.default_rng(SETTINGS.seed),
    ).confidence_interval
    drawn = Resamples(WeightedMetrics(scored, names=(name,)), scored, SETTINGS).drawn[0]
    assert percentiles(drawn, SETTINGS.confidence) == (*map(pytest.approx, expected), "percentile")


def test_more_images_of_the_same_subject_teach_nothing():
    """Six equal images of each subject: the interval of one image each, not one sqrt(6) times narrower."""
    one = make_predictions(images=30, subjects=30, skill=1.0)
    rows = np.repeat(np.arange(30), 6)
    frame = one.frame.iloc[rows].reset_index(drop=True)
    frame["image_id"] = [f"copy_{number}" for number in range(len(frame))]
    six = type(one)(frame, one.classes, one.positive_class, one.about)
    expected, actual = intervals(score(one), SETTINGS), intervals(score(six), SETTINGS)
    for name, interval in expected.items():
        assert actual[name].n == 30
        if interval.method == "binomial":  # one image each: shares have a distribution of their own
            continue
        assert (actual[name].low, actual[name].high) == pytest.approx((interval.low, interval.high)), name
    frame["subject"] = None
    by_image = intervals(score(six), SETTINGS)["accuracy"]
    assert by_image.high - by_image.low < 0.6 * (actual["accuracy"].high - actual["accuracy"].low)


def test_images_of_unknown_subject_are_clusters_of_their_own():
    predictions = make_predictions(images=12, subjects=4)
    predictions.frame.loc[:2, "subject"] = None
    # An image that is called like a subject does not join it.
    predictions.frame.loc[0, "image_id"] = "subject_0003"
    scored = score(predictions)
    assert scored.cluster_count == 4 + 3
    assert scored.drawn == "subjects"


def test_the_seed_decides_on_resamples_and_not_on_the_default():
    scored = score(make_predictions(images=40, subjects=20))
    other = SETTINGS.model_copy(update={"seed": 4})
    drawn = [Resamples(WeightedMetrics(scored), scored, used).drawn for used in (SETTINGS, SETTINGS, other)]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0] != drawn[2]).any()
    actual, other = (intervals(scored, used)["auc"] for used in (SETTINGS, other))
    assert actual.method == "logit_t"
    assert (actual.low, actual.high) == (other.low, other.high)
    assert actual.low < actual.value < actual.high


def test_percentile_where_the_jackknife_is_undefined():
    # Without its one negative subject the specificity does not exist, and so does the jackknife.
    labels = [0, 0, 1, 1, 1, 1, 1, 1]
    scored = score(with_scores(labels, [0.1, 0.6, 0.4, 0.7, 0.8, 0.9, 0.3, 0.6], "aabcdefg"))
    actual = intervals(scored, SETTINGS)
    assert actual["specificity"].method == actual["auc"].method == "percentile"
    assert actual["sensitivity"].method == "logit_t"


def test_without_an_error_the_ends_are_those_of_so_many_subjects():
    """Clopper and Pearson's, of subjects: 12 subjects of two images each, four of them positive."""
    subjects = np.repeat([f"s{number}" for number in range(12)], 2)
    labels = np.repeat([1] * 4 + [0] * 8, 2)
    actual = intervals(score(with_scores(labels, np.where(labels, 0.8, 0.1), subjects)), SETTINGS)
    expected = {"accuracy": 12, "sensitivity": 4, "specificity": 8, "precision/all": 4, "recall/hem": 8}
    expected |= {"auc": 4, "average_precision": 4, "balanced_accuracy": 4, "f1_macro": 4, "f1_weighted": 4}
    for name, number in expected.items():
        interval = actual[name]
        assert (interval.value, interval.high, interval.method) == (1.0, 1.0, "exact"), name
        assert interval.low == pytest.approx(stats.beta.ppf(0.025, number, 1)), name
    reversed_calls = intervals(score(with_scores(1 - labels, np.where(labels, 0.8, 0.1), subjects)), SETTINGS)
    assert reversed_calls["specificity"].low == 0.0
    assert reversed_calls["specificity"].high == pytest.approx(1 - 0.025 ** (1 / 4))
    assert reversed_calls["specificity"].method == "exact"


def test_what_is_the_same_throughout_but_no_share_has_no_exact_end():
    scored = score(with_scores([0, 0, 1, 1] * 5, [0.1, 0.2, 0.8, 0.9] * 5))
    ones = np.ones((20, 1))
    same = around(StatisticOfSums(ones, lambda sums: 0 * sums.T), {"x": DIFFERENCE}, scored, SETTINGS)["x"]
    assert (same.low, same.high, same.method) == (0.0, 0.0, "percentile")
    constant = around(StatisticOfSums(ones, lambda sums: 0 * sums.T + 0.4), {"x": Metric()}, scored, SETTINGS)["x"]
    assert (constant.low, constant.high, constant.method) == (0.4, 0.4, "percentile")


def test_two_clusters_have_an_interval():
    accuracy = intervals(score(with_scores([0, 1, 1, 0], [0.1, 0.8, 0.9, 0.7], "aabb")), SETTINGS)["accuracy"]
    assert (accuracy.value, accuracy.n, accuracy.method) == (0.75, 2, "logit_t")
    assert 0 < accuracy.low < 0.1
    assert 0.95 < accuracy.high < 1


@pytest.mark.parametrize("labels", [[], [1], [None, None]])
def test_fewer_than_two_clusters_have_no_interval(labels):
    actual = intervals(score(with_scores(labels, [0.7] * len(labels))), SETTINGS)
    assert {(one.low, one.high, one.method) for one in actual.values()} == {(None, None, None)}
    assert actual["accuracy"].value == (1.0 if labels == [1] else None)


@given(st.integers(2, 30), st.integers(2, 12), st.integers(0, 10_000), st.sampled_from([("n", "p"), ("a", "b", "c")]))
def test_every_interval_is_ordered_and_within_the_bounds_of_its_metric(images, subjects, seed, classes):
    scored = score(make_predictions(images, min(images, subjects), classes, seed=seed))
    actual = intervals(scored, EvaluationConfig(resamples=50, seed=seed))
    assert tuple(actual) == metric_names(classes)
    for name, interval in actual.items():
        assert (interval.low is None) == (interval.method is None)
        if interval.low is not None:
            lowest, highest = metric_of(name).bounds
            assert lowest <= interval.low <= interval.high <= highest + 1e-12


def test_shares_of_images_that_stand_for_themselves_are_binomial_and_those_of_subjects_are_not():
    labels = [True] * 25 + [False] * 15
    scores = [0.9] * 23 + [0.1] * 2 + [0.2] * 11 + [0.8] * 4
    actual = intervals(score(with_scores(labels, scores)), SETTINGS)
    by_subject = intervals(score(with_scores(labels, scores, [f"s{number // 2}" for number in range(40)])), SETTINGS)
    expected = {"accuracy": (34, 40), "sensitivity": (23, 25), "recall/hem": (11, 15), "precision/all": (23, 27)}
    for name, (hits, images) in expected.items():
        ends = stats.binomtest(hits, images).proportion_ci(SETTINGS.confidence, method="exact")
        assert (actual[name].low, actual[name].high) == pytest.approx((ends.low, ends.high))
        assert (actual[name].method, by_subject[name].method) == ("binomial", "logit_t")
    assert actual["f1_weighted"].method == "logit_t"
