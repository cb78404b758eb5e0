"""The metrics of parts of the test images."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.run.evaluate import evaluate_runs
from karyocyte.evaluation.tables.tables import SUBGROUPS
from tests.helpers.predictions import make_run

SETTINGS = EvaluationConfig(resamples=30)


def subgroups_of(*runs, **facts):
    """The figures of the subgroups of runs, of whose test images these facts are set."""
    for run in runs:
        for name, values in facts.items():
            run.frame[name] = run.frame[name].astype(object)
            run.frame.loc[run.frame["part"] == "test", name] = values
    result = evaluate_runs(runs, SETTINGS)
    return {f"{by} {group}": each for by in SUBGROUPS for group, each in result.sections(f"{by} ").items()}


def test_given_groups_are_in_their_order_and_unknown_ones_last_and_images_alike_have_none():
    assert subgroups_of(make_run()) == {}
    run = make_run(images=60)
    groups = subgroups_of(run, group=np.repeat(["Wright", None, "MGG"], 20))
    images = [(name, metrics["images"].value) for name, metrics in groups.items()]
    assert images == [("group MGG", 20), ("group Wright", 20), ("group unknown", 20)]
    test, metrics = run.part("test"), groups["group Wright"]
    labels, scores = test.labels[:20], test.probabilities[:20, 1]
    assert metrics["auc"].value == pytest.approx(roc_auc_score(labels, scores))
    assert metrics["f1_weighted"].value == pytest.approx(f1_score(labels, scores >= 0.5, average="weighted"))
    assert metrics["auc"].low <= metrics["auc"].value <= metrics["auc"].high


def test_of_a_kind_there_is_the_share_that_is_predicted_right():
    run = make_run(images=60)
    label = run.part("test").frame["label"]
    drawn = np.where(np.arange(60) < 8, "L2", "L1")
    run.frame.loc[run.frame["part"] == "test", "kind"] = np.where(label == "all", drawn, None)
    result = evaluate_runs([run], SETTINGS)
    kinds = result.sections("kind ")
    assert list(kinds) == ["L1", "L2", "unknown"]
    assert [name for name in kinds["L1"] if "images" not in name] == ["subjects", "accuracy"]
    text = "subgroups: fewer than 5 images of a class in kind L2: their figures say little"
    assert text in map(str, result.warnings)


def test_more_classes_have_metrics_of_predictions():
    groups = subgroups_of(make_run(images=90, classes=("a", "b", "c")), group=np.repeat(["x", "y"], 45))
    metrics = groups["group x"]
    assert list(metrics)[-3:] == ["accuracy", "f1_weighted", "f1_macro"]
    assert metrics["images/b"].value == 15
