"""Subjects instead of images."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.breakdowns.by_subject import subjects_of
from karyocyte.evaluation.pooling.labelled_runs import LabelledRuns
from karyocyte.evaluation.run.evaluate import evaluate_labelled
from karyocyte.evaluation.types.result import Kind
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


def evaluated(*runs):
    """The result, and its table by subject."""
    evaluation = evaluate_labelled(LabelledRuns.of(runs, SETTINGS))
    table = evaluation.tables.get("by_subject")
    return evaluation.result, None if table is None else table.set_index("subject")


def test_a_subject_is_predicted_by_the_mean_of_its_images():
    """p1 has one very sure image among three."""
    run = run_of([("p1", True, [0.99, 0.45, 0.4]), ("p2", False, [0.1, 0.2]), ("p3", False, [0.6, 0.7, 0.1])])
    result, table = evaluated(run)
    assert [count.value for count in result.of(Kind.SUBJECTS).values()] == [3, 0]
    assert result.of(Kind.BY_SUBJECT)["accuracy"].value == 1.0
    assert result.chosen(Kind.BY_SUBJECT, "threshold") == [None]
    assert table.loc["p1", ["images", "truth", "predicted"]].tolist() == [3, "all", "all"]
    assert table.loc["p1", "probability"] == pytest.approx(1.84 / 3, abs=1e-6)


def test_the_threshold_is_that_of_the_means_of_validation_subjects():
    validation = [("v1", True, [0.3, 0.4]), ("v2", False, [0.1, 0.2])]
    result, table = evaluated(run_of([("p1", True, [0.36, 0.36]), ("p2", False, [0.3, 0.1])], validation))
    assert result.chosen(Kind.BY_SUBJECT, "threshold") == [pytest.approx(0.35)]
    assert result.of(Kind.BY_SUBJECT)["accuracy"].value == 1.0
    assert table["predicted"].tolist() == ["all", "hem"]


def test_metrics_are_those_of_one_score_per_subject():
    run = make_run(images=90, subjects=18, skill=0.4)
    auc = evaluated(run)[0].of(Kind.BY_SUBJECT)["auc"]
    subjects = run.part("test").frame.groupby("subject")
    assert auc.value == pytest.approx(roc_auc_score(subjects["label"].first() == "all", subjects["prob_all"].mean()))
    assert auc.n == 18


@pytest.mark.parametrize("subjects", [None, 60, 5])
def test_unknown_subjects_single_images_and_mostly_mixed_subjects_have_no_result(subjects):
    run = make_run(images=60, subjects=subjects)
    if subjects == 5:
        run.frame["label"] = np.tile(["hem", "all"], 60)
    assert not evaluated(run)[0].of(Kind.SUBJECTS)


def test_images_of_unknown_subject_or_label_and_subjects_of_both_classes_are_left_out():
    run = run_of([("p1", True, [0.9, 0.8]), (None, True, [0.1]), ("p1", None, [0.0])]).part("test")
    subjects, left_out = subjects_of(run)
    assert (subjects.frame["images"].tolist(), left_out) == ([2], 0)
    assert subjects.probabilities[0, 1] == pytest.approx(0.85)
    parts = [("p1", True, [0.9, 0.8]), ("p2", False, [0.2, 0.3]), ("p3", True, [0.4]), ("p3", False, [0.4])]
    result, _ = evaluated(run_of(parts))
    assert [count.value for count in result.of(Kind.SUBJECTS).values()] == [2, 1]


def test_each_fold_has_its_own_threshold():
    runs = [make_run(fold, images=60, subjects=12, skill=0.5) for fold in range(2)]
    pooled, table = evaluated(*runs)
    single = [evaluated(run)[0] for run in runs]
    thresholds = [each.chosen(Kind.BY_SUBJECT, "threshold")[0] for each in single]
    assert pooled.chosen(Kind.BY_SUBJECT, "threshold") == thresholds
    accuracies = [each.of(Kind.BY_SUBJECT)["accuracy"].value for each in single]
    assert pooled.of(Kind.BY_SUBJECT)["accuracy"].value == pytest.approx(np.mean(accuracies))
    assert table["fold"].tolist() == [0] * 12 + [1] * 12


def test_of_more_classes_the_one_with_the_highest_mean_is_predicted():
    run = make_run(classes=("a", "b", "c"), images=45, subjects=9, skill=1.0)
    means = pd.DataFrame(run.part("test").probabilities).groupby(run.part("test").frame["subject"]).mean()
    assert evaluated(run)[1]["predicted"].tolist() == np.array(["a", "b", "c"])[means.to_numpy().argmax(1)].tolist()
