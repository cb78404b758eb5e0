"""Subjects instead of images."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from common.config.schema import EvaluationConfig
from evaluation.breakdowns.by_subject import by_subject_table, evaluate_subjects, subjects_of
from evaluation.core.labelled import cases
from evaluation.labelled_runs import LabelledRuns
from tests.helpers.predictions import join, make_run, with_scores

SETTINGS = EvaluationConfig(resamples=30)


def run_of(test, validation=()):
    """Build a run of (subject, is positive, probabilities of its images) for each part."""
    parts = []
    for name, subjects in (("validation", validation), ("test", test)):
        rows = [(subject, truth, score) for subject, truth, scores in subjects for score in scores]
        part = with_scores([row[1] for row in rows], [row[2] for row in rows], [row[0] for row in rows], name)
        part.frame["image_id"] = [f"{name}{number}" for number in range(len(rows))]
        parts.append(part)
    return join(*parts)


def test_a_subject_is_called_by_mean_and_by_share():
    """p1 has one very sure image among three: the mean says all, most images say hem."""
    run = run_of([("p1", True, [0.99, 0.45, 0.4]), ("p2", False, [0.1, 0.2]), ("p3", False, [0.6, 0.7, 0.1])])
    found = evaluate_subjects(LabelledRuns.of([run], SETTINGS))
    assert (found.subjects, found.left_out) == (3, 0)
    assert found.rules["mean"].confusion == [[2, 0], [0, 1]]
    assert found.rules["share"].confusion == [[1, 1], [1, 0]]
    assert found.rules["mean"].threshold is None
    table = by_subject_table(LabelledRuns.of([run], SETTINGS), found).set_index("subject")
    assert table.loc["p1", ["images", "truth", "called_by_mean", "called_by_share"]].tolist() == [
        3,
        "all",
        "all",
        "hem",
    ]
    assert table.loc["p1", "probability"] == pytest.approx((0.99 + 0.45 + 0.4) / 3, abs=1e-6)
    assert table.loc["p1", "share"] == pytest.approx(1 / 3, abs=1e-6)


def test_half_of_the_images_are_a_majority_only_where_the_mean_agrees():
    run = run_of([("p1", True, [0.9, 0.4]), ("p2", False, [0.55, 0.1])])
    table = by_subject_table(LabelledRuns.of([run], SETTINGS), evaluate_subjects(LabelledRuns.of([run], SETTINGS)))
    assert table["called_by_share"].tolist() == ["all", "hem"]
    assert table["share"].tolist() == [0.5, 0.5]


def test_the_threshold_is_that_of_the_validation_subjects():
    validation = [("v1", True, [0.3, 0.4]), ("v2", False, [0.1, 0.2]), ("v3", True, [0.5, 0.4])]
    run = run_of([("p1", True, [0.36, 0.36]), ("p2", False, [0.3, 0.1])], validation)
    mean = evaluate_subjects(LabelledRuns.of([run], SETTINGS)).rules["mean"]
    assert mean.threshold == pytest.approx(0.35)
    assert mean.metrics["sensitivity"].value == 1.0
    assert mean.confusion == [[1, 0], [0, 1]]


def test_the_threshold_of_shares_is_a_share_whatever_the_means():
    validation = [("v1", True, [0.9, 0.1]), ("v2", False, [0.4, 0.4]), ("v3", False, [0.45, 0.1])]
    run = run_of([("p1", True, [0.8, 0.05]), ("p2", False, [0.49, 0.49])], validation)
    found = evaluate_subjects(LabelledRuns.of([run], SETTINGS))
    assert found.rules["share"].threshold == 0.5
    assert found.rules["share"].confusion == [[1, 0], [0, 1]]  # p1: half of the images, their mean below 0.5
    assert by_subject_table(LabelledRuns.of([run], SETTINGS), found)["called_by_share"].tolist() == ["all", "hem"]


def test_a_share_that_everybody_has_is_no_threshold():
    """No validation image is called all: a threshold of no image would call everybody so."""
    validation = [("v1", True, [0.3, 0.4]), ("v2", False, [0.1, 0.2])]
    run = run_of([("p1", True, [0.9, 0.9]), ("p2", False, [0.36, 0.36])], validation)
    found = evaluate_subjects(LabelledRuns.of([run], SETTINGS)).rules
    assert found["share"].threshold is None
    assert found["share"].confusion == [[1, 0], [0, 1]]
    assert found["mean"].confusion == [[0, 1], [0, 1]]


def test_metrics_are_those_of_one_score_per_subject():
    run = make_run(images=90, subjects=18, skill=0.4)
    found = evaluate_subjects(LabelledRuns.of([run], SETTINGS)).rules["mean"].metrics
    test = run.part("test").frame
    scores = test.groupby("subject")["prob_all"].mean()
    truth = test.groupby("subject")["label"].first() == "all"
    assert found["auc"].value == pytest.approx(roc_auc_score(truth, scores))
    assert found["auc"].clusters == 18


def test_who_has_images_of_both_classes_is_left_out_and_most_such_leave_no_judgement():
    run = run_of([("p1", True, [0.9, 0.8]), ("p2", False, [0.2, 0.3]), ("p3", True, [0.4])])
    mixed = run_of([("p3", False, [0.4])])
    mixed.frame["image_id"] = "other"
    found = evaluate_subjects(LabelledRuns.of([join(run, mixed)], SETTINGS))
    assert (found.subjects, found.left_out) == (2, 1)
    crossed = make_run(images=40, subjects=5)
    crossed.frame["label"] = np.tile(["hem", "all"], 40)
    assert evaluate_subjects(LabelledRuns.of([crossed], SETTINGS)) is None


@pytest.mark.parametrize("subjects", [None, 60])
def test_unknown_subjects_and_single_images_leave_no_judgement(subjects):
    assert evaluate_subjects(LabelledRuns.of([make_run(images=60, subjects=subjects)], SETTINGS)) is None


def test_images_of_unknown_subject_or_label_are_in_no_subject():
    run = run_of([("p1", True, [0.9, 0.8]), (None, True, [0.1]), ("p1", None, [0.0])]).part("test")
    found = subjects_of(cases(run))
    assert found.frame["images"].tolist() == [2]
    assert found.scores["mean"][0, 1] == pytest.approx(0.85)


def test_of_more_classes_the_most_probable_and_the_most_frequent_is_called():
    run = make_run(classes=("a", "b", "c"), images=45, subjects=9, skill=1.0)
    found = evaluate_subjects(LabelledRuns.of([run], SETTINGS))
    test = run.part("test")
    shares = pd.DataFrame(np.eye(3)[test.probabilities.argmax(1)]).groupby(test.frame["subject"]).mean()
    truth = test.frame.groupby("subject")["label"].first()
    clear = shares.apply(lambda row: (row == row.max()).sum() == 1, axis=1)
    table = by_subject_table(LabelledRuns.of([run], SETTINGS), found).set_index("subject")
    expected = np.array(["a", "b", "c"])[shares.to_numpy().argmax(axis=1)]
    assert table["called_by_share"][clear].tolist() == expected[clear].tolist()
    assert table["truth"].tolist() == truth.tolist()
    assert found.rules["share"].threshold is None


def test_each_fold_has_its_own_threshold():
    runs = [make_run(fold, images=60, subjects=12, skill=0.5) for fold in range(2)]
    pooled, single = (
        evaluate_subjects(LabelledRuns.of(runs, SETTINGS)),
        [evaluate_subjects(LabelledRuns.of([run], SETTINGS)) for run in runs],
    )
    own = [one.rules["mean"].threshold for one in single]
    assert pooled.rules["mean"].threshold == own
    matrices = np.array([one.rules["mean"].confusion for one in single])
    assert pooled.rules["mean"].confusion == matrices.sum(axis=0).tolist()
    assert by_subject_table(LabelledRuns.of(runs, SETTINGS), pooled)["fold"].tolist() == [0] * 12 + [1] * 12
