from dataclasses import replace

import numpy as np
import pytest

from common.config.schema import EvaluationConfig
from common.errors import UserError
from evaluation.evaluate import evaluate_runs
from evaluation.labelled_runs import LabelledFold
from evaluation.uncertainty.flags import (
    RULES,
    ReviewThresholds,
    choose_thresholds,
    review_table,
    rule_lines,
    select_rules,
    thresholds_of,
)
from evaluation.uncertainty.selective import choose_release
from evaluation.uncertainty.triage import decide
from tests.helpers.predictions import make_predictions, make_run, with_passes

SETTINGS = EvaluationConfig(resamples=20)


@pytest.fixture(scope="module")
def run():
    return with_passes(make_run(images=80, skill=1.0))


@pytest.fixture(scope="module")
def thresholds(run):
    return thresholds_of(evaluate_runs([run], SETTINGS))


def test_thresholds_chosen_anew_are_those_of_the_evaluation(run, thresholds):
    assert choose_thresholds(run, SETTINGS) == replace(thresholds, joint=None)
    assert any(note.startswith("release: ") for note in thresholds.notes)


@pytest.mark.parametrize("rules", [["votes"], ["release"], ["joint"], ["votes", "positive"], ["joint", "positive"]])
def test_rules_select_the_same_images_as_triage(run, thresholds, rules):
    fold = LabelledFold.of(run, SETTINGS)
    test = fold.test
    decisions = decide(fold, choose_release(fold))
    table = review_table(run.part("test"), thresholds, rules)
    review = decisions["_".join(rules)].review
    if "positive" in rules:  # the prediction without passes counts as well
        review = review | (test.plain.called == test.scored.positive_index)
    assert (table["review"] == review).all()
    assert 0 < table["review"].sum() < len(table)


def test_labels_are_not_needed(run, thresholds):
    test = run.part("test")
    test.frame["label"] = None
    assert review_table(test, thresholds, ["votes", "release"])["review"].any()


def test_impossible_rules_are_left_out_or_refused(thresholds):
    assert select_rules(thresholds, True, "all", None) == ["votes", "release"]
    assert select_rules(thresholds, False, "all", None) == ["release"]
    assert select_rules(ReviewThresholds(0.8), False, None, None) == []
    for name in RULES:
        with pytest.raises(UserError, match=f"--rules {name}"):
            select_rules(ReviewThresholds(0.8), False, None, [name])


def test_every_image_is_reviewed_without_rules():
    predictions = make_predictions(images=5, classes=("a", "b", "c"))
    table = review_table(predictions, ReviewThresholds(0.8), [])
    assert table["review"].all()
    assert table["called_at_threshold"].isna().all()
    assert (table["called"] == np.array(["a", "b", "c"])[predictions.probabilities.argmax(axis=1)]).all()
    assert "every image" in rule_lines(ReviewThresholds(0.8), [], None)[0]


def test_metrics_without_triage_and_calibration():
    result = replace(evaluate_runs([make_run()], SETTINGS), settings={}, triage=None, calibration=None)
    assert thresholds_of(result) == ReviewThresholds(0.8, result.threshold.value)
