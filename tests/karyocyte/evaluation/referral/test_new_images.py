"""Review of new images by the rules of referral."""

from dataclasses import replace

import numpy as np
import pytest

from karyocyte.common.errors import UserError
from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.referral.choices import ReviewThresholds, choose_review_thresholds, thresholds_of
from karyocyte.evaluation.referral.new_images import RULES, review_table, rule_lines, select_rules
from karyocyte.evaluation.run.evaluate import evaluate_runs
from karyocyte.evaluation.types.result import EvaluationResult, Kind
from tests.helpers.predictions import make_predictions, make_run, with_passes

SETTINGS = EvaluationConfig(resamples=20)


@pytest.fixture(scope="module")
def run():
    return with_passes(make_run(images=80, skill=1.0))


@pytest.fixture(scope="module")
def thresholds(run):
    return thresholds_of(evaluate_runs([run], SETTINGS))


def test_thresholds_chosen_anew_are_those_of_the_evaluation(run, thresholds):
    assert choose_review_thresholds(run, SETTINGS) == thresholds
    assert thresholds.confidence is not None


def test_few_votes_select_the_same_images_as_the_evaluation(run, thresholds):
    table = review_table(run.part("test"), thresholds, ["votes"])
    assert 0 < table["review"].sum() < len(table)
    assert table["review"].mean() == pytest.approx(evaluate_runs([run], SETTINGS).of(Kind.VOTES)["referred"].value)
    assert set(table["reason"].dropna()) == {"fewer than 0.8 of the dropout passes vote for it"}


def test_impossible_rules_are_left_out_or_refused(thresholds):
    assert select_rules(thresholds, None) == ["confidence", "votes"]
    assert select_rules(thresholds, ["votes"]) == ["votes"]
    assert select_rules(replace(thresholds, vote_share=None), None) == ["confidence"]
    assert select_rules(ReviewThresholds(vote_share=0.8), None) == []  # votes decide nothing unless requested
    assert select_rules(ReviewThresholds(vote_share=0.8), ["votes"]) == ["votes"]
    for name in RULES:
        with pytest.raises(UserError, match=f"rules={name}"):
            select_rules(ReviewThresholds(), [name])


def test_every_image_is_reviewed_without_rules():
    predictions = make_predictions(images=5, classes=("a", "b", "c"))
    table = review_table(predictions, ReviewThresholds(), [])
    assert table["review"].all()
    assert table["prediction_at_threshold"].isna().all()
    assert (table["prediction"] == np.array(["a", "b", "c"])[predictions.probabilities.argmax(axis=1)]).all()
    assert "every image" in rule_lines(ReviewThresholds(), [])[0]


def test_metrics_without_referral_and_calibration():
    result = evaluate_runs([make_run()], SETTINGS)
    result = replace(result, settings={}, calibration=None, referral=None)
    assert thresholds_of(result) == ReviewThresholds(result.thresholds[0].value)


@pytest.fixture(scope="module")
def many_classes():
    return make_run(images=200, subjects=None, classes=("a", "b", "c"), skill=2.5)


def test_images_of_many_classes_are_reviewed_below_the_cut_of_validation(many_classes):
    result = evaluate_runs([many_classes], SETTINGS)
    thresholds = thresholds_of(EvaluationResult.from_dict(result.to_dict()))
    assert thresholds == choose_review_thresholds(many_classes, SETTINGS)
    rules = select_rules(thresholds, None)
    assert rules == ["confidence"]
    table = review_table(many_classes.part("test"), thresholds, rules)
    assert (table["review"] == (table["probability"] < thresholds.confidence.cut)).all()
    assert table["review"].sum() == result.of(Kind.REFERRAL)["referred"].hits
    assert 0 < table["review"].sum() < len(table)
    assert set(table["reason"].dropna()) == {f"probability below {thresholds.confidence.cut:.4g}"}
    assert f"{thresholds.confidence.kept} of 200 validation images" in rule_lines(thresholds, rules)[0]


def test_probabilities_and_runner_up_are_the_two_largest_of_the_calibrated_ones(many_classes):
    table = review_table(many_classes.part("test"), choose_review_thresholds(many_classes, SETTINGS), ["confidence"])
    calibrated = table[["calibrated_a", "calibrated_b", "calibrated_c"]].to_numpy()
    ordered = np.sort(calibrated, axis=1)
    assert np.array_equal(table[["runner_up_probability", "probability"]], ordered[:, 1:])
    names = np.array(["a", "b", "c"])[np.argsort(calibrated, axis=1)]
    assert np.array_equal(table[["runner_up", "prediction"]], names[:, 1:])
