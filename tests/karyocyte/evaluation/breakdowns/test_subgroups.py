"""The metrics of parts of the test images."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.breakdowns.subgroups import subgroup_warnings
from karyocyte.evaluation.pooling.sections import flat_table
from karyocyte.evaluation.run.evaluate import evaluate_runs
from tests.helpers.predictions import make_run

SETTINGS = EvaluationConfig(resamples=30)


def subgroups_of(*runs, **facts):
    """The subgroups of runs, of whose test images these facts are set."""
    for run in runs:
        for name, values in facts.items():
            run.frame[name] = run.frame[name].astype(object)
            run.frame.loc[run.frame["part"] == "test", name] = values
    return evaluate_runs(runs, SETTINGS).subgroups


def test_a_single_fold_of_images_alike_has_none():
    assert subgroups_of(make_run()) == []
    assert subgroup_warnings([]) == []


def test_folds_are_evaluated_apart():
    runs = [make_run(fold, images=40, subjects=10, skill=0.5) for fold in range(2)]
    rows = subgroups_of(*runs)
    for number, (run, row) in enumerate(zip(runs, rows, strict=True)):
        assert (row.by, row.group, row.images, row.subjects) == ("fold", str(number), 40, 10)
        test = run.part("test")
        called = test.probabilities[:, 1] >= 0.5
        assert row.metrics["auc"].value == pytest.approx(roc_auc_score(test.labels, test.probabilities[:, 1]))
        assert row.metrics["f1_weighted"].value == pytest.approx(f1_score(test.labels, called, average="weighted"))
        assert row.metrics["auc"].low <= row.metrics["auc"].value <= row.metrics["auc"].high


def test_given_groups_are_in_their_order_and_unknown_ones_last():
    run = make_run(images=60)
    rows = subgroups_of(run, group=np.repeat(["Wright", None, "MGG"], 20))
    names = ["MGG", "Wright", "unknown"]
    assert [(row.by, row.group, row.images) for row in rows] == [("group", name, 20) for name in names]
    right = run.part("test").probabilities.argmax(axis=1) == run.part("test").labels
    assert rows[1].metrics["accuracy"].value == pytest.approx(right[:20].mean())


def test_sizes_are_thirds_of_the_longer_side():
    run = make_run(images=60)
    rows = subgroups_of(run, width=np.arange(60) + 100, height=np.where(np.arange(60) == 0, 500, 50))
    names = ["up to 120 px", "121 to 140 px", "over 140 px"]
    assert [(row.group, row.images) for row in rows] == [(name, 20) for name in names]
    last = subgroups_of(run, width=[None] * 10 + list(range(110, 160)))[-1]
    assert (last.group, last.images) == ("unknown", 10)


def test_of_a_kind_there_is_the_share_that_is_predicted_right():
    run = make_run(images=60)
    label = run.part("test").frame["label"]
    rows = subgroups_of(run, kind=np.where(label == "all", np.where(np.arange(60) < 8, "L2", "L1"), None))
    assert [(row.by, row.group) for row in rows] == [("kind", "L1"), ("kind", "L2"), ("kind", "unknown")]
    assert {tuple(row.metrics) for row in rows} == {("accuracy",)}
    assert [str(warning) for warning in subgroup_warnings(rows)] == [
        "subgroups: fewer than 5 images of a class in kind L2: their figures say little"
    ]


def test_more_classes_have_metrics_of_predictions():
    rows = subgroups_of(make_run(images=90, classes=("a", "b", "c")), group=np.repeat(["x", "y"], 45))
    assert list(rows[0].metrics) == ["accuracy", "f1_weighted", "f1_macro"]
    table = flat_table(rows, class_counts="images/")
    assert table["images/b"].tolist() == [15, 15]
    assert table["f1_macro_low"].notna().all()
