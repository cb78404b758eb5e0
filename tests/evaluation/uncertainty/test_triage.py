import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.config.schema import EvaluationConfig, TriageConfig
from evaluation.evaluate import evaluate_runs
from evaluation.labelled_runs import LabelledFold, LabelledRuns
from evaluation.uncertainty.selective import choose_release
from evaluation.uncertainty.triage import (
    RULES,
    Decision,
    count_outcome,
    decide,
    evaluate_triage,
    matching_cut,
    triage_refusal,
    triage_table,
    triage_warnings,
)
from tests.helpers.predictions import join, make_predictions, make_run, with_passes, with_scores

SETTINGS = EvaluationConfig(resamples=20, triage=TriageConfig(sensitivity=0.9))


def decisions(run, settings=SETTINGS):
    fold = LabelledFold.of(run, settings)
    return decide(fold, choose_release(fold))


def by_rule(triage):
    return {row["rule"]: row for row in triage["rules"]}


def test_a_judgement_survives_json_and_has_a_row_per_rule():
    triage = evaluate_triage(LabelledRuns.of([with_passes(make_run())], SETTINGS))
    assert json.loads(json.dumps(triage.as_dict(), allow_nan=False)) == triage.as_dict()
    assert [row["rule"] for row in triage["rules"]] == list(RULES)
    table = triage_table(triage)
    assert len(table) == len(RULES)
    assert {"accuracy", "accuracy_low", "sensitivity_high", "missed", "review", "alone"} <= set(table)


def test_without_passes_there_are_no_votes():
    assert set(by_rule(evaluate_triage(LabelledRuns.of([make_run()], SETTINGS)))) == {
        "nobody",
        "release",
        "conformal",
        "conformal_by_class",
    }


def test_the_rule_of_votes_is_the_papers():
    run = with_passes(make_run(), noise=2.0)
    test = run.part("test").frame
    found = decisions(run)
    assert np.array_equal(found["votes"].review, test["sampled_votes"] < 0.8)
    assert np.array_equal(found["votes"].predicted == 1, test["sampled_label"] == "all")
    seen = (test["sampled_votes"] < 0.8) | (test["sampled_label"] == "all")
    assert np.array_equal(found["votes_positive"].review, seen)
    # 80 of 100 votes are enough.
    assert not found["votes"].review[(test["sampled_votes"] == 0.8).to_numpy()].any()


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
    assert (values < cut).sum() == max(o for o in others if abs(o - reviewed) == distance)


def test_released_is_what_lies_below_the_threshold():
    run = make_run(images=100)
    found = decisions(run)["release"]
    assert np.array_equal(found.review, run.part("test").frame["prob_all"] >= found.cut)
    assert not found.predicted.any()


def test_a_person_sees_what_the_conformal_set_leaves_open():
    """Against the definition, with one quantile for both classes."""
    run = make_run(images=100, skill=0.5)
    validation, test = run.part("validation"), run.part("test")
    score = np.sort(1 - validation.probabilities[np.arange(100), validation.labels])[int(np.ceil(101 * 0.9)) - 1]
    held = 1 - test.probabilities <= score
    found = decisions(run)["conformal"]
    assert np.array_equal(found.review, held.sum(axis=1) != 1)
    assert found.review.any()
    alone = ~found.review
    assert np.array_equal(found.predicted[alone], held.argmax(axis=1)[alone])


def test_what_a_rule_does_is_counted():
    labels = np.array([1, 1, 1, 0, 0, 0])
    called = np.array([1, 0, 0, 0, 1, 1])
    review = np.array([0, 1, 0, 0, 0, 1], dtype=bool)
    found = count_outcome(Decision(called, review), labels, 1, 0.95)
    assert (found["review"], found["alone"], found["missed"], found["false_alarms"]) == (2, 4, 1, 1)
    assert found["accuracy"]["value"] == 0.5
    assert (found["sensitivity"]["hits"], found["sensitivity"]["total"]) == (2, 3)
    everything = count_outcome(Decision(called, np.ones(6, dtype=bool)), labels, 1, 0.95)
    assert everything["accuracy"]["value"] is None
    assert everything["sensitivity"]["value"] == 1.0


def test_labels_of_the_test_images_change_no_choice():
    run = with_passes(make_run(images=90, skill=0.7))
    before = decisions(run)
    test = run.frame["part"] == "test"
    run.frame.loc[test, "label"] = run.frame.loc[test, "label"].map({"hem": "all", "all": "hem"})
    after = decisions(run)
    assert set(before) == set(after) == set(RULES)
    for name in RULES:
        assert np.array_equal(before[name].predicted, after[name].predicted)
        assert np.array_equal(before[name].review, after[name].review)
        assert before[name].cut == after[name].cut


def test_labels_of_the_test_images_change_no_choice_of_the_judgement():
    run = with_passes(make_run(images=90, skill=0.7))
    before = evaluate_triage(LabelledRuns.of([run], SETTINGS))
    test = run.frame["part"] == "test"
    run.frame.loc[test, "label"] = run.frame.loc[test, "label"].map({"hem": "all", "all": "hem"})
    after = evaluate_triage(LabelledRuns.of([run], SETTINGS))
    assert after["release"]["validation"] == before["release"]["validation"]
    assert after["rules"] != before["rules"]
    for ours, theirs in zip(before["rules"], after["rules"], strict=True):
        assert (ours["cut"], ours["review"]) == (theirs["cut"], theirs["review"])
    for kind in ("marginal", "by_class"):
        sizes = [
            {size: found["conformal"][kind][size] for size in ("one", "several", "none")} for found in (before, after)
        ]
        assert sizes[0] == sizes[1]


def test_what_is_measured_of_sets_and_release_is_what_the_rules_do():
    run = make_run(images=100, skill=0.5)
    triage = evaluate_triage(LabelledRuns.of([run], SETTINGS))
    rules = by_rule(triage)
    for kind, rule in (("marginal", "conformal"), ("by_class", "conformal_by_class")):
        assert triage["conformal"][kind]["one"] == pytest.approx(1 - rules[rule]["review_share"])
    assert triage["release"]["test"] == rules["release"]["sensitivity"]
    assert rules["release"]["cut"] == triage["release"]["validation"][0]["threshold"]


def test_folds_choose_for_themselves_and_are_counted_together():
    runs = [with_passes(make_run(fold, images=60, skill=0.5 + fold)) for fold in range(2)]
    pooled, single = (
        evaluate_triage(LabelledRuns.of(runs, SETTINGS)),
        [evaluate_triage(LabelledRuns.of([run], SETTINGS)) for run in runs],
    )
    for name, row in by_rule(pooled).items():
        own = [by_rule(one)[name] for one in single]
        for count in ("images", "review", "alone", "missed", "false_alarms"):
            assert row[count] == sum(one[count] for one in own)
        assert row["cut"] in (None, [one["cut"] for one in own])
    assert pooled["release"]["test"]["hits"] == sum(one["release"]["test"]["hits"] for one in single)
    hits = [one["conformal"]["marginal"]["coverage"]["hits"] for one in single]
    assert pooled["conformal"]["marginal"]["coverage"]["hits"] == sum(hits)


def test_a_fold_with_few_validation_images_leaves_no_conformal_sets():
    small = make_run(10, images=8, subjects=8)
    triage = evaluate_triage(LabelledRuns.of([make_run(0), small], SETTINGS))
    assert triage["conformal"]["marginal"] is None
    assert "conformal" not in by_rule(triage)
    lines = map(str, triage_warnings(LabelledRuns.of([make_run(0), small], SETTINGS), triage))
    assert "triage: no conformal sets: fewer than 9 validation images" in lines
    assert "triage: no conformal sets by class: fewer than 9 validation images of each class" in lines


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (make_predictions(), "no validation image of hem and all"),
        (join(make_run().part("validation"), with_scores([1, 1], [0.2, 0.9])), "no test image of hem"),
        (join(make_run().part("validation"), with_scores([None], [0.2])), "no test image of hem and all"),
    ],
)
def test_without_both_classes_there_is_no_triage_and_a_caution(run, reason):
    judgement = evaluate_runs([run], SETTINGS)
    assert judgement["triage"] is None
    assert f"triage: none, {reason}" in judgement.to_dict()["warnings"]


def test_more_classes_and_who_wants_none_have_no_triage_and_no_caution():
    off = EvaluationConfig(resamples=20, triage=TriageConfig(enabled=False))
    for run, settings in ((make_run(classes=("a", "b", "c")), SETTINGS), (make_run(), off)):
        judgement = evaluate_runs([run], settings)
        assert judgement["triage"] is None
        assert triage_refusal(LabelledRuns.of([run], settings))
        assert not any(line.startswith("triage") for line in judgement.to_dict()["warnings"])


def test_folds_may_lack_a_class_in_a_test_part_that_another_has():
    one_class = join(make_run(1).part("validation"), with_scores([1, 1], [0.2, 0.9]))
    one_class.frame["image_id"] = "other " + one_class.frame["image_id"]
    assert evaluate_triage(LabelledRuns.of([make_run(0), one_class], SETTINGS)) is not None


def test_a_wish_that_is_just_kept_is_not_vouched_for_however_many_the_images():
    run = make_run(images=600, skill=2.0)
    runs = LabelledRuns.of([run], EvaluationConfig())
    lines = list(map(str, triage_warnings(runs, evaluate_triage(runs))))
    assert any("300 “all” validation images" in line and "triage.sensitivity" in line for line in lines)


def test_few_positives_are_said():
    lines = evaluate_runs([make_run()], EvaluationConfig(resamples=20)).to_dict()["warnings"]
    assert any("sensitivity of 0.9" in line and "299 without a miss would" in line for line in lines)
    assert any("only 30 “all” test images: one miss costs 0.033" in line for line in lines)
    assert any("those of one subject are not" in line for line in lines)
