"""scripts/predict.py with several runs, and with the folder of an ensemble."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from common.files import sha256_of_file
from common.predictions import read_predictions, write_predictions
from common.runs.run import write_status
from evaluation.ensembles.averaging import average
from evaluation.evaluate import write_judgement
from scripts.ensemble import app as ensemble
from tests.helpers.predicting import call, table_of, train_two
from tests.helpers.training import small_config


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("predict")


@pytest.fixture(scope="module")
def cells(home):
    return train_two(home)


def test_several_runs_are_an_ensemble(cells, home, tmp_path):
    table, _ = table_of(*cells, home / "cells", folder=tmp_path)
    expected = average([read_predictions(run) for run in cells], list("ab"))
    tested = expected.part("test").frame
    found = table.set_index("file").loc[tested["image_id"]].reset_index()
    assert np.allclose(found["prob_all"], tested["prob_all"], atol=1e-5)
    assert (found["sampled_votes"] == tested["sampled_votes"]).all()
    together = tmp_path / "both"
    write_predictions(together / "predictions.parquet", expected)
    settings = small_config(tmp_path).evaluation
    chosen = write_judgement(together, expected, None, settings)["threshold"]["value"]
    write_status(together, "finished", members=list(map(str, cells)))
    # Several runs choose anew what the ensemble has chosen.
    assert (table["called_at_threshold"] == np.where(found_all(table) >= chosen, "all", "hem")).all()
    again, _ = table_of(together, home / "cells", folder=tmp_path / "again")
    pd.testing.assert_frame_equal(again.drop(columns="reason"), table.drop(columns="reason"))


@pytest.fixture(scope="module")
def fitted(cells, home):
    """A fitted ensemble of the two runs."""
    words = ["stacking", *map(str, cells), "strengths=[0.1]", "--output", str(home / "fitted"), "--resamples", "20"]
    result = CliRunner().invoke(ensemble, words)
    assert result.exit_code == 0, result.output
    return home / "fitted"


def test_an_ensemble_joins_its_members_by_what_it_fitted(cells, fitted, home, tmp_path):
    root = shutil.copytree(home / "cells", tmp_path / "cells")
    (root / "broken.png").write_text("no image")
    table, result = table_of(fitted, root, folder=tmp_path)
    assert list(table["file"][table["status"] == "broken"]) == ["broken.png"]
    table = table[table["status"] == "judged"]
    expected = read_predictions(fitted).part("test").frame
    found = table.set_index("file").loc[expected["image_id"]].reset_index()
    columns = [name for name in expected.columns if name.startswith(("prob_", "sampled_prob_", "sampled_vari"))]
    assert np.allclose(found[columns], expected[columns], atol=1e-5)
    assert not np.allclose(found["prob_all"], found["sampled_prob_all"], atol=1e-3)
    metrics = json.loads((fitted / "metrics.json").read_text())
    own = np.where(found_all(table) >= metrics["threshold"]["value"], "all", "hem")
    assert (table["called_at_threshold"] == own).all()
    heated = table[["calibrated_hem", "calibrated_all"]].to_numpy() ** metrics["calibration"]["temperature"]
    plain = table[["prob_hem", "prob_all"]].to_numpy()
    assert np.allclose(heated / heated.sum(axis=1, keepdims=True), plain, atol=1e-6)
    release = metrics["triage"]["release"]["validation"][0]["threshold"]
    assert (table["review"] == ((table["sampled_votes"] < 0.8) | (table["prob_all"] >= release))).all()
    assert "the ensemble was fitted on its" in result.output


def test_members_are_found_when_the_folders_moved_together(cells, fitted, home, tmp_path):
    for folder in ("fitted", *(str(run.relative_to(home)) for run in cells)):
        shutil.copytree(home / folder, tmp_path / "moved" / folder)
    image = next((home / "cells").rglob("*.png"))
    here, _ = table_of(fitted, image, folder=tmp_path / "here")
    facts = json.loads((tmp_path / "moved" / "fitted" / "ensemble.json").read_text())
    facts["members"] = [f"gone/{place}" for place in range(2)]
    (tmp_path / "moved" / "fitted" / "ensemble.json").write_text(json.dumps(facts))
    there, _ = table_of(tmp_path / "moved" / "fitted", image, folder=tmp_path / "there")
    pd.testing.assert_frame_equal(here, there)
    shutil.rmtree(tmp_path / "moved" / cells[1].relative_to(home))
    result = call(tmp_path / "moved" / "fitted", image, "--output", tmp_path / "p.csv")
    assert result.exit_code == 1
    assert "its member gone/1 is not there" in result.stderr


def test_a_fitted_ensemble_stands_alone(cells, fitted, home, tmp_path):
    result = call(fitted, cells[0], home / "cells", "--output", tmp_path / "p.csv")
    assert "has fitted weights, which hold for its own members alone" in result.stderr
    within = tmp_path / "within"
    facts = {"method": "average", "combiner": {}, "fitted_on": {}, "schema": 1, "labels": ["a"], "from_here": ["x"]}
    within.mkdir()
    write_status(within, "finished", members=[str(fitted)])
    digest = sha256_of_file(fitted / "predictions.parquet")
    written = {**facts, "members": [str(fitted)], "predictions": [digest]}
    (within / "ensemble.json").write_text(json.dumps(written))
    result = call(within, home / "cells", "--output", tmp_path / "p.csv")
    assert "has a member that is an ensemble itself" in result.stderr


def found_all(table):
    return table["prob_all"].to_numpy()


def test_folds_that_share_no_validation_say_what_is_missing(cells, home, tmp_path):
    other = shutil.copytree(cells[1], tmp_path / "fold")
    predictions = read_predictions(other)
    write_predictions(
        other / "predictions.parquet",
        type(predictions)(
            predictions.frame.iloc[1:], predictions.classes, predictions.positive_class, predictions.about
        ),
    )
    table, result = table_of(cells[0], other, home / "cells", folder=tmp_path)
    assert "the members share no validation part" in result.output
    assert table["called_at_threshold"].isna().all()
    assert (table["review"] == (table["sampled_votes"] < 0.8)).all()
