"""Rules of triage and conformal sets."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.config.schema import EvaluationConfig, TriageConfig
from evaluation.evaluate import evaluate_runs
from evaluation.labelled_runs import LabelledFold, LabelledRuns
from evaluation.referral.choices import choose_release, matching_cut, needed_images, quantiles
from evaluation.referral.evaluate import (
    RULES,
    Decision,
    decide,
    evaluate_rule,
    evaluate_triage,
    sets_of,
    triage_refusal,
    triage_warnings,
)
from evaluation.result import flat_table
from tests.helpers.predictions import join, make_predictions, make_run, with_passes, with_scores

SETTINGS = EvaluationConfig(resamples=20, triage=TriageConfig(sensitivity=0.9))


def decisions(run):
    fold = LabelledFold.of(run, SETTINGS)
    return decide(fold, choose_release(fold))


def evaluate(*runs):
    return evaluate_triage(LabelledRuns.of(runs, SETTINGS))


def by_rule(triage):
    return {row.rule: row for row in triage.rules}


def test_the_result_has_a_row_per_rule():
    triage = evaluate(with_passes(make_run()))
    assert json.loads(json.dumps(asdict(triage), allow_nan=False)) == asdict(triage)
    assert list(by_rule(triage)) == list(RULES)
    table = flat_table(triage.rules)
    assert table["rule"].tolist() == list(RULES)
    assert {"accuracy", "accuracy_low", "sensitivity_high", "missed", "review", "alone"} <= set(table)
    assert set(by_rule(evaluate(make_run()))) == {"nobody", "release", "conformal", "conformal_by_class"}


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


def test_the_joint_rule_reviews_as_many_validation_images():
    run = with_passes(make_run(images=200), noise=2.0)
    validation = run.part("validation").frame
    cut = decisions(run)["joint"].cut
    assert (validation["sampled_confidence"] < cut).sum() == (validation["sampled_votes"] < 0.8).sum() > 0


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12), st.integers(0, 12))
def test_no_cut_reviews_a_nearer_number(values, reviewed):
    values = np.array(values, float)
    cut = matching_cut(values, reviewed)
    distance = abs((values < cut).sum() - reviewed)
    others = [(values < other).sum() for other in (*values, values.max() + 1)]
    assert distance == min(abs(other - reviewed) for other in others)
    assert (values < cut).sum() == max(other for other in others if abs(other - reviewed) == distance)


def test_images_below_the_threshold_are_released_as_negative():
    run = make_run(images=100)
    release = decisions(run)["release"]
    assert np.array_equal(release.review, run.part("test").frame["prob_all"] >= release.cut)
    assert not release.predicted.any()


@pytest.mark.parametrize(("rule", "groups"), [("conformal", [[0, 1]]), ("conformal_by_class", [[0], [1]])])
def test_conformal_sets_by_their_definition(rule, groups):
    run = make_run(images=100, skill=0.5)
    validation = run.part("validation")
    scores = 1 - validation.probabilities[np.arange(100), validation.labels]
    sets = np.zeros((100, 2), bool)
    for classes in groups:
        own = np.sort(scores[np.isin(validation.labels, classes)])
        limit = own[int(np.ceil((len(own) + 1) * 0.9)) - 1]
        sets[:, classes] = 1 - run.part("test").probabilities[:, classes] <= limit
    assert np.array_equal(sets_of(LabelledFold.of(run, SETTINGS), by_class=len(groups) > 1), sets)
    decision = decisions(run)[rule]
    assert np.array_equal(decision.review, sets.sum(axis=1) != 1)
    assert decision.review.any()
    alone = ~decision.review
    assert np.array_equal(decision.predicted[alone], sets.argmax(axis=1)[alone])


@pytest.mark.parametrize(("coverage", "images"), [(0.9, 9), (0.95, 19), (0.99, 99), (0.5, 1), (0.3, 1)])
def test_needed_images_have_a_quantile_and_fewer_have_none(coverage, images):
    assert needed_images(coverage) == images
    labels = np.arange(images) % 2
    scores = np.linspace(0.1, 0.9, images)
    probabilities = np.column_stack([1 - scores, scores])
    assert quantiles(probabilities, labels, coverage, by_class=False) is not None
    assert quantiles(probabilities[1:], labels[1:], coverage, by_class=False) is None
    assert quantiles(probabilities, labels, coverage, by_class=True) is None


def test_sets_and_release_are_measured_as_their_rules():
    run = make_run(images=100, skill=0.5)
    triage = evaluate(run)
    rules = by_rule(triage)
    for sets, rule in ((triage.conformal.marginal, "conformal"), (triage.conformal.by_class, "conformal_by_class")):
        assert sets.one == pytest.approx(1 - rules[rule].review_share)
        assert sets.one + sets.several + sets.none == pytest.approx(1)
        assert sets.coverage.hits == sum(share.hits for share in sets.per_class.values())
    (release,) = triage.release.validation
    assert rules["release"].cut == release.threshold
    positives = run.part("test").frame.query("label == 'all'")["prob_all"]
    assert triage.release.test.hits == (positives >= release.threshold).sum()
    assert triage.release.test.total == len(positives)


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
    runs = LabelledRuns.of([make_run(0), make_run(10, images=8, subjects=8)], SETTINGS)
    triage = evaluate_triage(runs)
    assert triage.conformal.marginal is None
    assert "conformal" not in by_rule(triage)
    lines = [warning.text for warning in triage_warnings(runs, triage)]
    assert "no conformal sets: fewer than 9 validation images" in lines
    assert "no conformal sets by class: fewer than 9 validation images of each class" in lines


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


@pytest.mark.parametrize(
    ("run", "triage"), [(make_run(classes=("a", "b", "c")), TriageConfig()), (make_run(), TriageConfig(enabled=False))]
)
def test_more_classes_and_a_disabled_triage_have_no_warning(run, triage):
    runs = LabelledRuns.of([run], EvaluationConfig(triage=triage))
    assert evaluate_triage(runs) is None
    assert triage_refusal(runs)
    assert triage_warnings(runs, None) == []


@pytest.mark.parametrize(
    ("run", "fragments"),
    [
        (make_run(images=600, skill=2.0), ["300 “all” validation images", "raise triage.sensitivity"]),
        (make_run(), ["sensitivity of 0.9", "299 without a miss would"]),
        (make_run(), ["only 30 “all” test images: one miss costs 0.033"]),
        (make_run(), ["those of one subject are not"]),
    ],
)
def test_warnings_name_the_limits(run, fragments):
    runs = LabelledRuns.of([run], EvaluationConfig(resamples=20))
    lines = [warning.text for warning in triage_warnings(runs, evaluate_triage(runs))]
    assert any(all(fragment in line for fragment in fragments) for line in lines)
