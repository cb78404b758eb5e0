"""Rules of triage."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from karyocyte.config.schema import EvaluationConfig, TriageConfig
from karyocyte.evaluation.pooling.labelled_runs import LabelledFold, LabelledRuns
from karyocyte.evaluation.pooling.sections import flat_table
from karyocyte.evaluation.referral.choices import ReviewThresholds, choose_release
from karyocyte.evaluation.referral.evaluate_referral import RULES, RuleDecision, decide, evaluate_rule, triage
from karyocyte.evaluation.run.evaluate import evaluate_parts, evaluate_runs
from tests.helpers.predictions import join, make_predictions, make_run, with_scores

SETTINGS = EvaluationConfig(resamples=20, triage=TriageConfig(sensitivity=0.9))


def decisions(run):
    fold = LabelledFold.from_run(run, SETTINGS)
    return decide(fold, ReviewThresholds(release=choose_release(fold).threshold))


def findings(*runs, settings=SETTINGS):
    runs = LabelledRuns.of(runs, settings)
    return triage(runs, evaluate_parts(runs))


def evaluate(*runs):
    return findings(*runs).value


def by_rule(triage):
    return {row.rule: row for row in triage.rules}


def test_the_result_has_a_row_per_rule():
    result = evaluate(make_run())
    assert json.loads(json.dumps(asdict(result), allow_nan=False)) == asdict(result)
    assert list(by_rule(result)) == list(RULES)
    table = flat_table(result.rules)
    assert table["rule"].tolist() == list(RULES)
    assert {"accuracy", "accuracy_low", "sensitivity_high", "missed", "review", "alone"} <= set(table)


def test_an_image_is_released_as_negative_below_the_threshold_of_validation():
    run = make_run(images=100, skill=0.5)
    decision = decisions(run)["release"]
    assert np.array_equal(decision.review, run.part("test").frame["prob_all"] >= decision.cut)
    assert 0 < decision.review.sum() < 100
    assert not decision.predicted.any()


def test_the_release_is_measured_as_its_rule():
    run = make_run(images=100, skill=0.5)
    result = evaluate(run)
    (release,) = result.release.validation
    assert by_rule(result)["release"].cut == release.threshold
    positives = run.part("test").frame.query("label == 'all'")["prob_all"]
    assert result.release.test.hits == (positives >= release.threshold).sum()
    assert result.release.test.total == len(positives)


@pytest.mark.parametrize(
    ("review", "expected"),
    [
        ([0, 1, 0, 0, 0, 1], {"review": 2, "alone": 4, "missed": 1, "false_alarms": 1}),
        ([1, 1, 1, 1, 1, 1], {"review": 6, "alone": 0, "missed": 0, "false_alarms": 0}),
    ],
)
def test_the_outcome_of_a_rule_is_counted(review, expected):
    runs = LabelledRuns.of([with_scores([1, 1, 1, 0, 0, 0], [0.5] * 6)], SETTINGS)
    decision = RuleDecision(np.array([1, 0, 0, 0, 1, 1]), np.array(review, dtype=bool))
    outcome = evaluate_rule("nobody", [decision], runs)
    assert expected.items() <= vars(outcome).items()
    assert outcome.accuracy.value == (0.5 if outcome.alone else None)
    assert (outcome.sensitivity.hits, outcome.sensitivity.total) == (3 - outcome.missed, 3)


def test_folds_choose_for_themselves_and_are_counted_together():
    runs = [make_run(fold, images=60, skill=0.5 + fold) for fold in range(2)]
    pooled = evaluate(*runs)
    single = [evaluate(run) for run in runs]
    for name, row in by_rule(pooled).items():
        own = [by_rule(triage)[name] for triage in single]
        for count in ("images", "review", "alone", "missed", "false_alarms"):
            assert getattr(row, count) == sum(getattr(one, count) for one in own)
        assert row.cut in (None, [one.cut for one in own])
    assert pooled.release.test.hits == sum(triage.release.test.hits for triage in single)


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
