"""scripts/export.py, and scripts/predict.py with what it writes."""

import copy
import json
import pickle
import re
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from karyocyte.commands.export import app as export
from karyocyte.commands.predict import app as predict
from karyocyte.evaluation.types.result import EvaluationResult, Interval
from karyocyte.inference.models import RunsModel
from karyocyte.runs.run import Run
from karyocyte.workflows.export import export_model as exporting
from karyocyte.workflows.export.card import model_card
from tests.faults.artefacts import rewrite
from tests.helpers.terminal import error_of, run_app


@pytest.fixture
def predicted(tmp_path):
    """A function that predicts images and returns the table."""

    def run(name, *arguments):
        output = tmp_path / f"{name}.csv"
        run_app(predict, *arguments, "--output", output)
        # In the order of the files: rounding may change that of equally doubtful images.
        return pd.read_parquet(output.with_suffix(".parquet")).sort_values("file", ignore_index=True)

    return run


def assert_same(table, other):
    """Assert that the tables of a portable model and of runs are equal but for the last digits of numbers.

    Thresholds are probabilities of validation images, which may come to lie on the other side of them.
    """
    pd.testing.assert_frame_equal(table.filter(like="prob_"), other.filter(like="prob_"), atol=1e-6, rtol=0)
    rows = other.pop("seen") != "validation"
    table = table.drop(columns="seen")
    pd.testing.assert_frame_equal(table[rows], other[rows], atol=1e-6, rtol=0)


def test_an_exported_run_predicts_as_the_run(cell_runs, portable, cell_images, predicted):
    of_run = predicted("run", cell_runs[0], cell_images)
    assert of_run["prediction_at_threshold"].notna().all()
    assert of_run["prob_all"].nunique() > 20
    assert_same(predicted("folder", portable, cell_images), of_run)


def test_the_model_card_has_the_figures_of_the_run(cell_runs, portable):
    card = (portable / "README.md").read_text()
    assert f"| auc | {EvaluationResult.from_dict(Run(cell_runs[0]).metrics).metrics['auc']} |" in card
    assert "a subject may be in two parts" in card
    assert "Weights: CC-BY-4.0" in card
    assert exporting.NO_DISTANCES not in card
    assert re.findall("^## (.*)", card, re.MULTILINE)[:3] == ["Intended use", "Limits", "How it was evaluated"]


def test_the_model_card_has_the_figures_of_each_laboratory(cell_runs, portable):
    result = EvaluationResult.from_dict(Run(cell_runs[0]).metrics)
    metrics = {"images": Interval(7), "subjects": Interval(2), "accuracy": Interval(0.625, 0.5, 0.75)}
    figures = {("test", section): metrics for section in ("group lab_1", "group lab_2", "size small")}
    export = RunsModel([Run(portable)]).export
    changed = replace(result, figures=result.figures | figures)
    card = model_card(export, RunsModel([Run(cell_runs[0])]), [export.parity], changed)
    assert re.search(r"\| group lab 2 +\|.*0.625 \(0.500 to 0.750\)", card)
    assert "size small" not in card


def test_an_ensemble_with_fitted_weights(fitted, cell_images, tmp_path, predicted):
    run_app(export, fitted, "--output", tmp_path / "model")
    assert "an ensemble of 2 networks" in (tmp_path / "model" / "README.md").read_text()
    table = predicted("folder", tmp_path / "model", cell_images)
    assert table["sampled_votes"].isin([0.5, 1.0]).all()
    assert_same(table, predicted("runs", fitted, cell_images))
    shutil.rmtree(tmp_path / "model" / "member1")
    shutil.copytree(tmp_path / "model" / "member2", tmp_path / "model" / "member1")
    exchanged = run_app(predict, tmp_path / "model", cell_images, "--output", tmp_path / "p.csv", code=1)
    assert "member1 predicts otherwise now" in error_of(exchanged)


def test_nothing_is_written_where_weights_differ(cell_runs, tmp_path, monkeypatch):
    write = exporting.save_weights

    def of_another(network, *arguments):
        other = copy.deepcopy(network)
        with torch.no_grad():
            for parameter in other.parameters():
                parameter.mul_(1.1)
        write(other, *arguments)

    monkeypatch.setattr(exporting, "save_weights", of_another)
    error = error_of(run_app(export, cell_runs[0], "--output", tmp_path / "model", code=1))
    assert "the network of the export gives probabilities that differ by" in error
    assert list(tmp_path.iterdir()) == []


def test_no_pickle_is_loaded(portable, cell_images, predicted, monkeypatch):
    def refused(*arguments, **options):
        raise AssertionError("a pickle is loaded")

    for module, name in ((torch, "load"), (pickle, "load"), (pickle, "loads"), (pickle, "Unpickler")):
        monkeypatch.setattr(module, name, refused)
    assert len(predicted("new", portable, cell_images)) == 48


@pytest.mark.parametrize(
    ("file", "change", "expected"),
    [
        ("export.json", lambda content: content.update(format=99), "has format 99"),
        ("export.json", lambda content: content.update(prepare_version=0), "prepares images otherwise"),
        ("export.json", lambda content: content.pop("thresholds"), "thresholds: Field required"),
        ("export.json", lambda content: content["thresholds"].update(threshold="x"), "thresholds: threshold"),
        ("data.json", lambda content: content.pop("classes"), "classes: Field required"),
        ("config.yaml", lambda content: content["model"].update(name="hf-hub:a/b"), "model.name=hf-hub:a/b"),
        ("config.yaml", lambda content: content["prepare"].pop("size"), "has no prepare.size"),
        ("model.json", lambda content: content.update(args={"checkpoint_path": "x"}), "checkpoint_path"),
        ("config.yaml", lambda content: content["model"].update(cut="layer2"), "does not fit the model"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(portable, cell_images, tmp_path, file, change, expected):
    folder = shutil.copytree(portable, tmp_path / "copy")
    content = yaml.safe_load((folder / file).read_text())
    change(content)
    rewrite(folder / file, json.dumps(content))
    result = run_app(predict, folder, cell_images, "--output", tmp_path / "p.csv", code=1)
    assert expected in error_of(result)


def test_a_portable_model_takes_the_statistics_of_the_images_as_its_run_does(
    portable, cell_runs, cell_images, predicted
):
    ours = predicted("ours", cell_runs[0], cell_images, "batchnorm=images")["prob_all"]
    theirs = predicted("theirs", portable, cell_images, "batchnorm=images")["prob_all"]
    trained = predicted("trained", portable, cell_images)["prob_all"]
    np.testing.assert_allclose(theirs, ours, atol=1e-5)
    assert not np.allclose(theirs, trained, atol=1e-4)


def test_a_run_whose_images_are_gone_asks_for_their_folder(cell_runs, tmp_path):
    run = Run(shutil.copytree(cell_runs[0], tmp_path / "moved"))
    run.write_config({**run.raw_config, "data_dir": str(tmp_path / "gone")})
    assert "--data-dir" in error_of(run_app(export, run.folder, "--output", tmp_path / "new", code=1))
    assert not (tmp_path / "new").exists()
