"""Rules of triage."""

import numpy as np
import pytest

from karyocyte.config.schema import EvaluationConfig, TriageConfig
from karyocyte.evaluation.intervals.exact import share
from karyocyte.evaluation.pooling.labelled_runs import LabelledFold, LabelledRuns
from karyocyte.evaluation.referral.choices import ReviewThresholds, choose_release
from karyocyte.evaluation.referral.evaluate_referral import RULES, RuleDecision, decide, evaluate_rule, triage
from karyocyte.evaluation.run.evaluate import evaluate_parts, evaluate_runs
from karyocyte.evaluation.types.result import Kind
from tests.helpers.predictions import join, make_predictions, make_run, with_scores

SETTINGS = EvaluationConfig(resamples=20, triage=TriageConfig(sensitivity=0.9))


def decisions(run):
    fold = LabelledFold.from_run(run, SETTINGS)
    return decide(fold, ReviewThresholds(release=choose_release(fold).threshold))


def findings(*runs, settings=SETTINGS):
    runs = LabelledRuns.of(runs, settings)
    return triage(runs, evaluate_parts(runs))


def rules_of(*runs):
    """The figures of each rule."""
    return {rule: findings(*runs).metrics["test", f"{Kind.TRIAGE}{rule}"] for rule in RULES}


def test_the_release_is_measured_as_its_rule():
    run = make_run(images=100, skill=0.5)
    (release,) = findings(run).value
    decision = decisions(run)["release"]
    assert np.array_equal(decision.review, run.part("test").frame["prob_all"] >= release.threshold)
    assert 0 < decision.review.sum() < 100
    assert not decision.predicted.any()
    positives = run.part("test").frame.query("label == 'all'")["prob_all"]
    sensitivity = rules_of(run)["release"]["sensitivity"]
    assert sensitivity == share((positives >= release.threshold).sum(), len(positives), 0.95)


@pytest.mark.parametrize(
    ("review", "expected"),
    [
        ([0, 1, 0, 0, 0, 1], {"alone": 4, "missed": 1, "false_alarms": 1}),
        ([1, 1, 1, 1, 1, 1], {"alone": 0, "missed": 0, "false_alarms": 0}),
    ],
)
def test_the_outcome_of_a_rule_is_counted(review, expected):
    runs = LabelledRuns.of([with_scores([1, 1, 1, 0, 0, 0], [0.5] * 6)], SETTINGS)
    decision = RuleDecision(np.array([1, 0, 0, 0, 1, 1]), np.array(review, dtype=bool))
    outcome = evaluate_rule([decision], runs)
    assert {name: outcome[name].value for name in expected} == expected
    assert outcome["review_share"].hits == sum(review)
    assert outcome["accuracy"].value == (0.5 if expected["alone"] else None)
    assert (outcome["sensitivity"].hits, outcome["sensitivity"].n) == (3 - expected["missed"], 3)


def test_folds_choose_for_themselves_and_are_counted_together():
    runs = [make_run(fold, images=60, skill=0.5 + fold) for fold in range(2)]
    assert findings(*runs).value == [findings(run).value[0] for run in runs]
    single = list(map(rules_of, runs))
    for rule, pooled in rules_of(*runs).items():
        for name in ("alone", "missed", "false_alarms"):
            assert pooled[name].value == sum(each[rule][name].value for each in single)
        for name in ("review_share", "sensitivity"):
            assert pooled[name].hits == sum(each[rule][name].hits for each in single)


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (make_predictions(), "no validation image of hem and all"),
        (join(make_run().part("validation"), with_scores([1, 1], [0.2, 0.9])), "no test image of hem"),
        (join(make_run().part("validation"), with_scores([None], [0.2])), "no test image of hem and all"),
    ],
)
def test_without_both_classes_there_is_a_warning_and_no_triage(run, reason):
    result = evaluate_runs([run], SETTINGS)
    assert result.triage is None
    assert f"triage: none, {reason}" in map(str, result.warnings)


def test_more_classes_have_neither_triage_nor_a_warning():
    result = evaluate_runs([make_run(classes=("a", "b", "c"))], SETTINGS)
    assert result.triage is None
    assert not any("triage: none" in str(warning) for warning in result.warnings)
