"""Paired differences and McNemar's test."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from common.config.schema import EvaluationConfig
from common.errors import UserError
from evaluation.comparison.paired import McNemar, compare, mcnemar, paired, paired_difference
from evaluation.evaluate import evaluate_runs
from tests.helpers.predictions import make_predictions, make_run, with_scores

SETTINGS = EvaluationConfig(resamples=300)


def test_a_run_differs_from_itself_by_nothing():
    run = make_predictions()
    shuffled = replace(run, frame=run.frame.sample(frac=1, random_state=0))
    actual = paired_difference(run, shuffled, ("accuracy", "auc"), SETTINGS)
    for interval in actual.values():
        assert (interval.value, interval.low, interval.high) == (0.0, 0.0, 0.0)
    assert mcnemar(*paired(run, shuffled)) == McNemar(0, 0, 1.0)


def test_the_difference_is_scipys_paired_bootstrap():
    first, second = make_predictions(50, None, skill=2.0), make_predictions(50, None, skill=0.5, seed=1)
    right = [(one.probabilities[:, 1] >= 0.5) == one.labels for one in (first, second)]
    expected = stats.bootstrap(
        (right[0].astype(float), right[1].astype(float)),
        lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis),
        paired=True,
        method="percentile",
        n_resamples=SETTINGS.resamples,
        rng=np.random.default_rng(SETTINGS.seed),
    ).confidence_interval
    settings = SETTINGS.model_copy(update={"interval": "percentile"})
    actual = paired_difference(first, second, ("accuracy",), settings)["accuracy"]
    assert actual.value == pytest.approx(right[0].mean() - right[1].mean())
    assert (actual.low, actual.high) == pytest.approx(tuple(expected))


def test_mcnemar_counts_the_images_that_one_alone_calls_rightly():
    first = with_scores([1, 1, 1, 1, 1, 1, 0, 0], [0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.1])
    second = with_scores([1, 1, 1, 1, 1, 1, 0, 0], [0.1, 0.1, 0.1, 0.1, 0.1, 0.9, 0.1, 0.1])
    # Two-sided, 5 against 1 of 6: 2 * (6 + 1) / 64.
    assert mcnemar(*paired(first, second)) == McNemar(5, 1, pytest.approx(14 / 64))


def test_groups_of_folds_are_pooled():
    first, second = ([make_run(fold, skill=skill) for fold in range(3)] for skill in (2.0, 0.2))
    actual = compare(first, second, SETTINGS)
    assert (actual.images, actual.subjects) == (180, 36)
    assert actual.differences["auc"].low > 0
    assert actual.differences["auc"].value == pytest.approx(actual.first["auc"] - actual.second["auc"])
    assert "fewer than 20 subjects in “hem” (18), “all” (18)" in actual.warnings[0]


def test_few_discordant_images_are_a_warning():
    run = make_predictions(100, 100)
    warning = compare([run], [run], SETTINGS).warnings[-1]
    assert warning.startswith("only 0 images are classified correctly by one side alone")


def test_unlabelled_images_are_left_out_on_both_sides():
    run = with_scores([1, 0, None], [0.9, 0.1, 0.9])
    assert paired_difference(run, run, ("accuracy",), SETTINGS)["accuracy"].clusters == 2


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (make_predictions(first=1), "image_00000"),
        (make_predictions(classes=("all", "hem")), "classes differ"),
        (make_predictions(classes=("x", "y", "z")), "classes differ"),
        (make_predictions(subjects=13), "the label of .* images differs"),
        (make_predictions(subjects=20), "the subject of .* images differs"),
    ],
)
def test_what_cannot_be_paired_is_refused(other, message):
    with pytest.raises(UserError, match=message):
        paired_difference(make_predictions(subjects=12), other, ("accuracy",), SETTINGS)


def test_an_unknown_metric_names_the_known_ones():
    with pytest.raises(UserError, match="no metric roc: choose from accuracy"):
        paired_difference(make_predictions(), make_predictions(), ("roc",), SETTINGS)


def test_differences_of_fold_means_pair_the_folds_whatever_their_order():
    first = [make_run(fold, skill=2.0, seed=1) for fold in range(3)]
    second = [make_run(fold, skill=0.5, seed=1) for fold in (2, 0, 1)]
    actual = compare(first, second, SETTINGS).fold_mean_differences["auc"]
    one, two = (evaluate_runs(runs, SETTINGS).fold_means.metrics["auc"].value for runs in (first, second))
    assert actual.value == pytest.approx(one - two)
    assert actual.low < actual.value < actual.high
    assert compare(first[:1], [second[1]], SETTINGS).fold_mean_differences is None
