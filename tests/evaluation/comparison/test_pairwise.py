"""All pairs of several experiments."""

import io

import numpy as np
import pytest
from rich.console import Console

from common.config.schema import EvaluationConfig
from evaluation.comparison.paired import compare
from evaluation.comparison.pairwise import compare_groups
from evaluation.comparison.terminal import groups_frame, matrix_tables, pairs_frame
from evaluation.evaluate import evaluate_runs
from evaluation.intervals.grouping import group_runs
from tests.helpers.predictions import make_run

SETTINGS = EvaluationConfig(resamples=40)
SKILLS = {"good": 2.0, "fair": 0.7, "poor": 0.1}


def runs_of(folds=1, **keywords):
    return [
        make_run(fold, images=60, subjects=20, skill=skill, about={"name": name}, **keywords)
        for name, skill in SKILLS.items()
        for fold in range(folds)
    ]


def grouped(runs):
    return group_runs(runs, [str(place) for place in range(len(runs))])


def printed(renderable, width):
    console = Console(width=width, file=io.StringIO())
    console.print(renderable)
    return console.file.getvalue()


def test_every_pair_is_compared_as_if_it_were_alone():
    runs = runs_of()
    found = compare_groups(grouped(runs), SETTINGS)
    assert [(pair.first, pair.second) for pair in found.pairs] == [
        ("good", "fair"),
        ("good", "poor"),
        ("fair", "poor"),
    ]
    for pair, (one, two) in zip(found.pairs, ((0, 1), (0, 2), (1, 2)), strict=True):
        alone = compare([runs[one]], [runs[two]], SETTINGS)
        assert pair.differences == alone.differences
        assert pair.mcnemar == alone.mcnemar
        assert (pair.images, pair.subjects) == (60, 20)


def test_folds_are_pooled():
    found = compare_groups(grouped(runs_of(folds=2)), SETTINGS)
    assert {pair.images for pair in found.pairs} == {120}


def test_holm_by_hand_and_the_other_corrections():
    groups = grouped(runs_of())
    raw = np.array([pair.mcnemar.p_value for pair in compare_groups(groups, SETTINGS).pairs])
    order = np.argsort(raw)
    holm = np.empty(3)
    holm[order] = np.minimum(np.maximum.accumulate(raw[order] * [3, 2, 1]), 1)
    for method, expected in (("holm", holm), ("none", raw)):
        found = compare_groups(groups, SETTINGS.model_copy(update={"correction": method}))
        assert found.correction == method
        assert [pair.p_corrected for pair in found.pairs] == pytest.approx(expected)
    milder = compare_groups(groups, SETTINGS.model_copy(update={"correction": "fdr_bh"})).pairs
    assert all(raw[place] <= pair.p_corrected <= holm[place] + 1e-12 for place, pair in enumerate(milder))


def test_pairs_that_cannot_be_compared_are_left_out_with_the_reason():
    other = make_run(2, images=30, about={"name": "elsewhere"})
    classes = make_run(classes=("a", "b", "c"), about={"name": "other task"})
    found = compare_groups(grouped([*runs_of()[:2], other, classes]), SETTINGS)
    assert [(pair.first, pair.second) for pair in found.pairs] == [("good", "fair")]
    reasons = {(pair.first, pair.second): str(pair.reason) for pair in found.left_out}
    assert len(reasons) == 5
    assert reasons["good", "elsewhere"].startswith("the images differ")
    assert reasons["good", "other task"].startswith("the classes differ")
    frame = pairs_frame(found)
    assert frame.left_out.notna().sum() == 5
    assert frame.loc[0, "correction"] == "holm"


def test_tables_fit_the_terminal_and_the_csv_has_every_interval():
    groups = grouped([*runs_of(), make_run(2, images=30, about={"name": "elsewhere"})])
    judged = [evaluate_runs(list(group.runs), SETTINGS) for group in groups]
    labels, matrix = [group.label for group in groups], compare_groups(groups, SETTINGS)
    for width in (80, 120):
        text = printed(matrix_tables(labels, judged, matrix), width)
        assert "…" not in text
        assert "Holm's correction for 3 pairs" in " ".join(text.split())
        assert "left out 1 - 4, 2 - 4, 3 - 4: the images differ" in text
        assert "1 - 3" in text
    frame = groups_frame(labels, judged).set_index("group")
    assert frame.loc["good", "auc_low"] == judged[0].test.metrics["auc"].low
    assert frame.loc["good", "ece_scaled_high"] == judged[0].calibration.after.intervals["ece"].high


def test_a_single_pair_needs_no_correction():
    pair = compare_groups(grouped(runs_of()[:2]), SETTINGS).pairs[0]
    assert pair.p_corrected == pair.mcnemar.p_value
