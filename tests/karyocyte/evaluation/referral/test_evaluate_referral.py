"""Rules of triage and conformal sets."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from karyocyte.common.config.schema import EvaluationConfig, TriageConfig
from karyocyte.evaluation.evaluate import evaluate_parts, evaluate_runs
from karyocyte.evaluation.labelled_runs import LabelledFold, LabelledRuns
from karyocyte.evaluation.referral.choices import choose_referral, choose_release
from karyocyte.evaluation.referral.evaluate_referral import RULES, Decision, decide, evaluate_rule, triage
from karyocyte.evaluation.sections import flat_table
from tests.helpers.predictions import join, make_predictions, make_run, with_passes, with_scores

SETTINGS = EvaluationConfig(resamples=20, triage=TriageConfig(sensitivity=0.9))


def decisions(run):
    fold = LabelledFold.of(run, SETTINGS)
    return decide(fold, replace(choose_referral(fold), release=choose_release(fold).threshold))


def findings(*runs, settings=SETTINGS):
    runs = LabelledRuns.of(runs, settings)
    return triage(runs, evaluate_parts(runs))


def evaluate(*runs):
    return findings(*runs).value


def by_rule(triage):
    return {row.rule: row for row in triage.rules}


def test_the_result_has_a_row_per_rule():
    result = evaluate(with_passes(make_run()))
    assert json.loads(json.dumps(asdict(result), allow_nan=False)) == asdict(result)
    assert list(by_rule(result)) == list(RULES)
    table = flat_table(result.rules)
    assert table["rule"].tolist() == list(RULES)
    assert {"accuracy", "accuracy_low", "sensitivity_high", "missed", "review", "alone"} <= set(table)
    assert set(by_rule(evaluate(make_run()))) == {"nobody", "release", "conformal"}


def test_the_rule_of_votes_is_that_of_the_paper():
    run = with_passes(make_run(), noise=2.0)
    test = run.part("test").frame
    rules = decisions(run)
    assert np.array_equal(rules["votes"].review, test["sampled_votes"] < 0.8)
    assert np.array_equal(rules["votes"].predicted == 1, test["sampled_label"] == "all")
    reviewed = (test["sampled_votes"] < 0.8) | (test["sampled_label"] == "all")
    assert np.array_equal(rules["votes_positive"].review, reviewed)
    # 80 of 100 votes are enough.
    assert not rules["votes"].review[(test["sampled_votes"] == 0.8).to_numpy()].any()


def test_conformal_sets_by_their_definition():
    run = make_run(images=100, skill=0.5)
    validation = run.part("validation")
    scores = np.sort(1 - validation.probabilities[np.arange(100), validation.labels])
    sets = 1 - run.part("test").probabilities <= scores[int(np.ceil(101 * 0.9)) - 1]
    decision = decisions(run)["conformal"]
    assert np.array_equal(decision.review, sets.sum(axis=1) != 1)
    assert decision.review.any()
    alone = ~decision.review
    assert np.array_equal(decision.predicted[alone], sets.argmax(axis=1)[alone])


def test_sets_and_release_are_measured_as_their_rules():
    run = make_run(images=100, skill=0.5)
    result = evaluate(run)
    rules = by_rule(result)
    sets = result.conformal.marginal
    assert sets.one == pytest.approx(1 - rules["conformal"].review_share)
    assert sets.one + sets.several + sets.none == pytest.approx(1)
    assert sets.coverage.hits == sum(share.hits for share in sets.per_class.values())
    (release,) = result.release.validation
    assert rules["release"].cut == release.threshold
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
    decision = Decision(np.array([1, 0, 0, 0, 1, 1]), np.array(review, dtype=bool))
    outcome = evaluate_rule("nobody", [decision], runs)
    assert expected.items() <= vars(outcome).items()
    assert outcome.accuracy.value == (0.5 if outcome.alone else None)
    assert (outcome.sensitivity.hits, outcome.sensitivity.total) == (3 - outcome.missed, 3)


def test_folds_choose_for_themselves_and_are_counted_together():
    runs = [with_passes(make_run(fold, images=60, skill=0.5 + fold)) for fold in range(2)]
    pooled = evaluate(*runs)
    single = [evaluate(run) for run in runs]
    for name, row in by_rule(pooled).items():
        own = [by_rule(triage)[name] for triage in single]
        for count in ("images", "review", "alone", "missed", "false_alarms"):
            assert getattr(row, count) == sum(getattr(one, count) for one in own)
        assert row.cut in (None, [one.cut for one in own])
    assert pooled.release.test.hits == sum(triage.release.test.hits for triage in single)
    hits = sum(triage.conformal.marginal.coverage.hits for triage in single)
    assert pooled.conformal.marginal.coverage.hits == hits


def test_a_fold_with_few_validation_images_has_no_conformal_sets():
    found = findings(make_run(0), make_run(10, images=8, subjects=8))
    assert found.value.conformal.marginal is None
    assert "conformal" not in by_rule(found.value)
    lines = [warning.text for warning in found.warnings]
    assert "no conformal sets: fewer than 9 validation images" in lines


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
