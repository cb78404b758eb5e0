"""scripts/evaluate.py from the outside."""

import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from karyocyte.commands.evaluate import app
from karyocyte.runs.predictions import write_predictions
from packages.cytogenetics.tests.cells.cells import make_cell_run
from tests.helpers.predictions import make_run
from tests.helpers.terminal import error_of, run_app

pytestmark = pytest.mark.usefixtures("blank_figures")


@pytest.fixture
def runs(tmp_path):
    """Three folds of two experiments, as folders ``good0`` .. ``poor2``."""
    for fold in range(3):
        for name, skill in (("good", 2.0), ("poor", 0.2)):
            run = make_run(fold, images=30, subjects=10, skill=skill, about={"name": name})
            write_predictions(tmp_path / f"{name}{fold}" / "predictions.parquet", run)
    return tmp_path


def call(*arguments, code=0):
    return run_app(app, *arguments, "resamples=20", code=code)


def test_the_folds_of_an_experiment_are_pooled_and_their_files_written(runs):
    folds = (runs / f"good{fold}" / "predictions.parquet" for fold in range(3))
    output = call(*folds, "--output", runs / "pooled").output
    assert "folds 0, 1, 2 of 3" in output
    assert "90 test images" in output
    assert "fold mean" in output
    pictures = {"confusion_matrix.png", "roc.png", "reliability.png", "risk_coverage.png"}
    tables = {f"{name}.csv" for name in ("metrics", "by_subject")}
    assert {path.name for path in (runs / "pooled").glob("[!.]*")} == {"metrics.json", *tables, *pictures}


def test_several_experiments_are_evaluated_each_and_in_pairs(runs):
    folder = runs / "both"
    result = call(*(runs / f"{name}{fold}" for name in ("good", "poor") for fold in range(3)), "--output", folder)
    assert "1 - 2" in result.output
    assert {path.name for path in folder.glob("[!.]*")} == {"roc.png", "pairs.csv", "experiments.csv"}
    figures = pd.read_csv(folder / "experiments.csv").set_index("experiment")
    assert figures["images"].to_dict() == {"good": 90, "poor": 90}
    assert (figures["auc_low"] < figures["auc"]).all()
    assert f"{figures.loc['good', 'auc']:.3f}" in result.output
    pairs = pd.read_csv(folder / "pairs.csv").set_index("metric")
    assert {"first": "good", "second": "poor", "images": 90}.items() <= dict(pairs.loc["auc"]).items()
    assert pairs.loc["auc", "low"] < pairs.loc["auc", "value"] < pairs.loc["auc", "high"]


def metrics_in(folder):
    """The metrics of the test part at 0.5, by name, in the files of an evaluation."""
    return pd.read_csv(folder / "metrics.csv").query("part == 'test' and section == 'metrics'").set_index("name")


def test_validation_parts_of_several_folds_are_pooled_unless_they_overlap(runs):
    output = call(runs / "good0", runs / "good1", "--part", "validation", "--output", runs / "validation").output
    parts = [make_run(fold, images=30, subjects=10, skill=2.0).part("validation").frame for fold in (0, 1)]
    pooled = pd.concat(parts)
    assert f"{len(pooled)} validation images" in output
    expected = roc_auc_score(pooled["label"] == "all", pooled["prob_all"])
    assert metrics_in(runs / "validation").loc["auc", "value"] == pytest.approx(expected, abs=1e-6)
    again = make_run(1, images=30, subjects=10, skill=2.0, about={"name": "good"})
    again.frame.loc[again.frame["part"] == "validation", "image_id"] = parts[0]["image_id"].to_numpy()
    write_predictions(runs / "again1" / "predictions.parquet", again)
    result = call(runs / "good0", runs / "again1", "--part", "validation", code=1)
    assert "in the validation part of more than one run" in error_of(result)


def test_one_of_several_groups_is_evaluated_by_itself(tmp_path):
    run = make_cell_run(0, cells=2, skill=3.0)
    run.frame["group"] = run.frame["cell"].map({name: name[-1] for name in run.frame["cell"].unique()})
    groups = run.part("test").frame.groupby("group")
    write_predictions(tmp_path / "grouped" / "predictions.parquet", run)
    for name, frame in groups:
        output = call(tmp_path / "grouped", "--group", name, "--output", tmp_path / name).output
        probabilities = frame[[f"prob_{label}" for label in run.classes]]
        right = probabilities.idxmax(axis=1) == "prob_" + frame["label"]
        assert f"{len(frame)} test images" in output
        assert metrics_in(tmp_path / name).loc["accuracy", "value"] == pytest.approx(right.mean(), abs=1e-6)
    error = error_of(call(tmp_path / "grouped", "--group", "elsewhere", code=1))
    assert f"no test image is of this group (groups: {', '.join(groups.groups)})" in error


def test_karyotypes_of_validation_cells(tmp_path):
    folds = [tmp_path / "cells0", tmp_path / "cells1"]
    for fold, folder in enumerate(folds):
        write_predictions(folder / "predictions.parquet", make_cell_run(fold, cells=2, skill=3.0))
    output = " ".join(call(*folds, "--part", "validation").output.split())
    assert "Whole cells (4)" in output
    assert "each cell has its most probable karyotype" in output
    assert "fitted on these same cells" in output
    assert "184 validation images" in output
    assert "no validation image" not in output
    assert "test images" not in output
    assert "fitted on these same cells" not in call(*folds).output
