"""The metrics of parts of the test images."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from common.config.schema import EvaluationConfig
from evaluation.breakdowns.subgroups import subgroup_warnings, subgroups, subgroups_table
from evaluation.labelled_runs import LabelledRuns
from tests.helpers.predictions import make_run

SETTINGS = EvaluationConfig(resamples=30)


def found(*runs):
    return subgroups(LabelledRuns.of(runs, SETTINGS))


def of(run, **facts):
    """Set facts of the test images."""
    test = run.frame["part"] == "test"
    for name, values in facts.items():
        run.frame[name] = run.frame[name].astype(object)
        run.frame.loc[test, name] = values
    return run


def test_a_single_fold_of_images_alike_has_none():
    assert found(make_run()) == []
    assert subgroup_warnings([]) == []


def test_folds_are_judged_apart():
    runs = [make_run(fold, images=40, subjects=10, skill=0.5) for fold in range(2)]
    rows = found(*runs)
    assert [(row.by, row.group, row.images, row.subjects) for row in rows] == [
        ("fold", "0", 40, 10),
        ("fold", "1", 40, 10),
    ]
    for run, row in zip(runs, rows, strict=True):
        test = run.part("test")
        assert row.metrics["auc"].value == pytest.approx(roc_auc_score(test.labels, test.probabilities[:, 1]))
        called = (test.probabilities[:, 1] >= 0.5).astype(int)
        assert row.metrics["f1_weighted"].value == pytest.approx(f1_score(test.labels, called, average="weighted"))
        assert row.metrics["auc"].low <= row.metrics["auc"].value <= row.metrics["auc"].high


def test_given_groups_stand_in_their_order_and_unknown_ones_last():
    run = of(make_run(images=60), group=np.repeat(["Wright", None, "MGG"], 20))
    rows = found(run)
    assert [(row.by, row.group, row.images) for row in rows] == [
        ("group", "MGG", 20),
        ("group", "Wright", 20),
        ("group", "unknown", 20),
    ]
    right = run.part("test").probabilities.argmax(axis=1) == run.part("test").labels
    assert rows[1].metrics["accuracy"].value == pytest.approx(right[:20].mean())


def test_sizes_are_thirds_of_the_longer_side():
    run = of(make_run(images=60), width=np.arange(60) + 100, height=50)
    of(run, height=np.where(np.arange(60) == 0, 500, 50))
    rows = found(run)
    assert [(row.group, row.images) for row in rows] == [
        ("up to 120 px", 20),
        ("121 to 140 px", 20),
        ("over 140 px", 20),
    ]
    of(run, width=[None] * 10 + list(range(110, 160)))
    assert [row.images for row in found(run)][-1] == 10
    assert found(run)[-1].group == "unknown"


def test_of_a_kind_there_is_the_share_that_is_called_rightly():
    run = make_run(images=60)
    label = run.part("test").frame["label"]
    rows = found(of(run, kind=np.where(label == "all", np.where(np.arange(60) < 8, "L2", "L1"), None)))
    assert [(row.by, row.group) for row in rows] == [("kind", "L1"), ("kind", "L2"), ("kind", "unknown")]
    assert {tuple(row.metrics) for row in rows} == {("accuracy",)}
    assert list(map(str, subgroup_warnings(rows))) == [
        "subgroups: fewer than 5 images of a class in kind L2: their figures say little"
    ]


def test_few_images_of_a_class_are_said():
    rows = found(of(make_run(images=60), group=["rare"] * 6 + ["usual"] * 54))
    assert rows[0].class_counts == {"hem": 3, "all": 3}
    assert rows[0].metrics["accuracy"].value is not None
    assert subgroup_warnings(rows)[0].text.startswith("fewer than 5 images of a class in group rare: ")


def test_more_classes_have_metrics_of_calls():
    rows = found(of(make_run(images=90, classes=("a", "b", "c")), group=np.repeat(["x", "y"], 45)))
    assert list(rows[0].metrics) == ["accuracy", "f1_weighted", "f1_macro"]
    table = subgroups_table(rows)
    assert table["images/b"].tolist() == [15, 15]
    assert table["f1_macro_low"].notna().all()
