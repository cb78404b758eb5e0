"""All pairs of several experiments."""

import numpy as np
import pytest

from common.config.schema import EvaluationConfig
from evaluation.comparison.paired import compare
from evaluation.comparison.pairwise import compare_groups, holm
from evaluation.comparison.tables import comparison_of_groups, groups_frame, pairs_frame
from evaluation.evaluate import evaluate_runs
from evaluation.intervals.grouping import group_runs
from tests.helpers.predictions import make_run
from tests.helpers.terminal import printed

SETTINGS = EvaluationConfig(resamples=40)
SKILLS = {"good": 2.0, "fair": 0.7, "poor": 0.1}
ELSEWHERE = make_run(2, images=30, about={"name": "elsewhere"})


def groups_of(*more, folds=1):
    """Groups that differ in skill, and those of other runs."""
    runs = []
    for name, skill in SKILLS.items():
        runs += [make_run(fold, images=60, subjects=20, skill=skill, about={"name": name}) for fold in range(folds)]
    return group_runs([*runs, *more], [str(number) for number in range(len(runs) + len(more))])


@pytest.mark.parametrize("folds", [1, 2])
def test_every_pair_is_compared_as_if_it_were_alone(folds):
    groups = {group.label: list(group.runs) for group in groups_of(folds=folds)}
    pairs = compare_groups(groups_of(folds=folds), SETTINGS).pairs
    assert [(pair.first, pair.second) for pair in pairs] == [("good", "fair"), ("good", "poor"), ("fair", "poor")]
    for pair in pairs:
        alone = compare(groups[pair.first], groups[pair.second], SETTINGS)
        assert (pair.differences, pair.mcnemar) == (alone.differences, alone.mcnemar)
        assert (pair.images, pair.subjects) == (60 * folds, 20 * folds)


def test_holm_is_that_of_a_known_table():
    """R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")."""
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.6, 0.7])).tolist() == [1.0, 1.0]


def test_the_corrections_of_a_comparison():
    raw = np.array([pair.mcnemar.p_value for pair in compare_groups(groups_of(), SETTINGS).pairs])
    milder = np.empty(3)
    order = np.argsort(raw)
    milder[order] = np.minimum.accumulate((raw[order] * [3, 3 / 2, 1])[::-1])[::-1]
    for method, expected in (("holm", holm(raw)), ("none", raw), ("fdr_bh", milder)):
        comparison = compare_groups(groups_of(), SETTINGS.model_copy(update={"correction": method}))
        assert comparison.correction == method
        assert [pair.p_corrected for pair in comparison.pairs] == pytest.approx(expected)


def test_pairs_that_cannot_be_compared_are_left_out_with_the_reason():
    other_task = make_run(classes=("a", "b", "c"), about={"name": "other task"})
    comparison = compare_groups(groups_of(ELSEWHERE, other_task), SETTINGS)
    assert len(comparison.pairs) == 3
    reasons = {(pair.first, pair.second): str(pair.reason) for pair in comparison.left_out}
    assert len(reasons) == 7
    assert reasons["good", "elsewhere"].startswith("the images differ")
    assert reasons["good", "other task"].startswith("the classes differ")
    frame = pairs_frame(comparison)
    assert frame["left_out"].notna().sum() == 7
    assert frame.loc[0, "correction"] == "holm"


def test_tables_fit_the_terminal_and_the_csv_has_every_interval():
    groups = groups_of(ELSEWHERE)
    results = [evaluate_runs(list(group.runs), SETTINGS) for group in groups]
    labels, comparison = [group.label for group in groups], compare_groups(groups, SETTINGS)
    for width in (80, 120):
        text = printed(comparison_of_groups(labels, results, comparison), width)
        assert "…" not in text
        assert "Holm's correction for 3 pairs" in " ".join(text.split())
        assert "left out 1 - 4, 2 - 4, 3 - 4: the images differ" in text
        assert "1 - 3" in text
    frame = groups_frame(labels, results).set_index("group")
    assert frame.loc["good", "auc_low"] == results[0].test.metrics["auc"].low
    assert frame.loc["good", "ece_scaled_high"] == results[0].calibration.after.intervals["ece"].high
