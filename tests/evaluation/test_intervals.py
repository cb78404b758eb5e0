"""Intervals against scipy's bootstrap, and the resampling of subjects."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from common.schema import EvaluationConfig
from evaluation.intervals import intervals
from evaluation.metrics import metric_names
from evaluation.scored import score
from tests.helpers.predictions import make_predictions, with_scores

SETTINGS = EvaluationConfig(resamples=400, seed=3)


def scipy_interval(statistic, images, method):
    return stats.bootstrap(
        (np.arange(images),),
        statistic,
        vectorized=False,
        n_resamples=SETTINGS.resamples,
        method=method,
        rng=np.random.default_rng(SETTINGS.seed),
    ).confidence_interval


def test_without_subjects_it_is_scipys_bca_over_images():
    scored = score(make_predictions(images=50, subjects=None, skill=1.0))
    called = scored.probabilities[:, 1] >= 0.5
    expected = scipy_interval(lambda rows: (called == scored.labels)[rows].mean(), 50, "BCa")
    found = intervals(scored, SETTINGS)["accuracy"]
    assert found.method == "bca"
    assert found.clusters == 50
    assert (found.low, found.high) == pytest.approx(tuple(expected))


def test_the_auc_too_is_scipys():
    scored = score(make_predictions(images=40, subjects=None, skill=1.0))
    expected = scipy_interval(lambda r: roc_auc_score(scored.labels[r], scored.probabilities[r, 1]), 40, "BCa")
    found = intervals(scored, SETTINGS)["auc"]
    assert found.undefined == 0
    assert (found.low, found.high) == pytest.approx(tuple(expected))


def test_more_images_of_the_same_subject_teach_nothing():
    """Six equal images of each subject: the interval of one image each, not one sqrt(6) times narrower."""
    one = make_predictions(images=30, subjects=30, skill=1.0)
    rows = np.repeat(np.arange(30), 6)
    frame = one.frame.iloc[rows].reset_index(drop=True)
    frame["image_id"] = [f"copy_{number}" for number in range(len(frame))]
    six = type(one)(frame, one.classes, one.positive_class, one.about)
    expected, found = intervals(score(one), SETTINGS), intervals(score(six), SETTINGS)
    for name, interval in expected.items():
        assert found[name].clusters == 30
        assert (found[name].low, found[name].high) == pytest.approx((interval.low, interval.high)), name
    frame["subject"] = None
    by_image = intervals(score(six), SETTINGS)["accuracy"]
    assert by_image.high - by_image.low < 0.6 * (found["accuracy"].high - found["accuracy"].low)


def test_images_of_unknown_subject_are_clusters_of_their_own():
    predictions = make_predictions(images=12, subjects=4)
    predictions.frame.loc[:2, "subject"] = None
    # An image that is called like a subject does not join it.
    predictions.frame.loc[0, "image_id"] = "subject_0003"
    scored = score(predictions)
    assert scored.cluster_count == 4 + 3
    assert scored.by_subject


def test_the_seed_alone_decides():
    scored = score(make_predictions(images=40, subjects=20))
    assert intervals(scored, SETTINGS) == intervals(scored, SETTINGS)
    other = SETTINGS.model_copy(update={"seed": 4})
    assert intervals(scored, SETTINGS)["auc"] != intervals(scored, other)["auc"]


def test_an_interval_of_higher_confidence_is_wider():
    scored = score(make_predictions(images=60, subjects=None))
    wide = intervals(scored, SETTINGS.model_copy(update={"confidence": 0.99}))["accuracy"]
    narrow = intervals(scored, SETTINGS)["accuracy"]
    assert wide.low < narrow.low
    assert wide.high > narrow.high


def test_resamples_on_which_a_metric_is_undefined_are_counted():
    # Two subjects have the only negatives: (1 - 2/6)^6, about 9 % of the resamples, hold none.
    labels = [0, 0, 1, 1, 1, 1]
    found = intervals(score(with_scores(labels, [0.1, 0.6, 0.4, 0.7, 0.8, 0.9], "abcdef")), SETTINGS)
    assert found["accuracy"].undefined == 0
    assert 15 < found["auc"].undefined < 60
    # The AUC needs positives too.
    assert 15 < found["specificity"].undefined <= found["auc"].undefined
    assert found["auc"].low is not None


def test_percentile_where_the_jackknife_is_undefined():
    # Without its one negative subject the specificity does not exist, so BCa does not hold.
    labels = [0, 0, 1, 1, 1, 1, 1, 1]
    scored = score(with_scores(labels, [0.1, 0.6, 0.4, 0.7, 0.8, 0.9, 0.3, 0.6], "aabcdefg"))
    found = intervals(scored, SETTINGS)
    assert found["specificity"].method == "percentile"
    assert found["sensitivity"].method == "bca"


def test_percentile_where_every_resample_agrees():
    found = intervals(score(with_scores([0, 0, 1, 1] * 5, [0.1, 0.2, 0.8, 0.9] * 5)), SETTINGS)["accuracy"]
    assert (found.value, found.low, found.high, found.method) == (1.0, 1.0, 1.0, "percentile")


@pytest.mark.parametrize("labels", [[], [1], [None, None]])
def test_fewer_than_two_clusters_have_no_interval(labels):
    found = intervals(score(with_scores(labels, [0.7] * len(labels))), SETTINGS)
    assert {(one.low, one.high, one.method, one.resamples) for one in found.values()} == {(None, None, None, 0)}
    assert found["accuracy"].value == (1.0 if labels == [1] else None)


@budget(deadline=None, max_examples=25)
@given(st.integers(2, 30), st.integers(2, 12), st.integers(0, 10_000), st.sampled_from([("n", "p"), ("a", "b", "c")]))
def test_every_interval_is_ordered_and_within_the_range_of_a_share(images, subjects, seed, classes):
    scored = score(make_predictions(images, min(images, subjects), classes, seed=seed))
    found = intervals(scored, EvaluationConfig(resamples=50, seed=seed))
    assert tuple(found) == metric_names(classes)
    for interval in found.values():
        assert (interval.low is None) == (interval.method is None)
        assert 0 <= interval.undefined <= interval.resamples
        if interval.low is not None:
            assert 0.0 <= interval.low <= interval.high <= 1.0 + 1e-12
