"""scripts/ensemble.py from the outside."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from karyocyte.commands.ensemble import app
from karyocyte.commands.evaluate import app as evaluate
from karyocyte.evaluation.pages.thumbnails import read_pictures, write_pictures
from karyocyte.evaluation.pooling.averaging import Combiner
from karyocyte.runs.ensemble import member_folders, read_ensemble
from karyocyte.runs.files import RunFile
from karyocyte.runs.predictions import Predictions, read_predictions, write_predictions
from tests.helpers.predictions import make_run, with_passes
from tests.helpers.terminal import run_app

pytestmark = pytest.mark.usefixtures("blank_figures")


@pytest.fixture
def runs(tmp_path):
    """Two members, the second with passes, as folders ``seed0`` and ``seed1``."""
    for seed in range(2):
        run = make_run(images=40, skill=1.0 + seed, about={"seed": seed})
        write_predictions(tmp_path / f"seed{seed}" / "predictions.parquet", with_passes(run) if seed else run)
    return tmp_path


def call(*arguments, method="average", code=0):
    return run_app(app, method, *arguments, "evaluation.resamples=20", code=code, COLUMNS="100")


def evaluated(*runs):
    return run_app(evaluate, *runs, "resamples=20")


QUICK = ["genetic.population=10", "genetic.generations=3", "genetic.restarts=2"]


def write_experiment(folder, name, folds=1, noise=0, change=lambda frame: frame, **about):
    """Write the folds of an experiment; others of another ``noise`` predict the same images otherwise."""
    for fold in range(folds):
        run = make_run(fold, images=48, subjects=16, seed=noise, skill=1.0, about={"name": name, **about})
        run = Predictions(change(run.frame), run.classes, run.positive_class, run.about)
        write_predictions(folder / name / f"fold{fold}" / "predictions.parquet", run)
    return [folder / name / f"fold{fold}" for fold in range(folds)]


def test_the_new_run_is_evaluated_like_any_other(runs):
    result = call(runs / "seed0", runs / "seed1" / "predictions.parquet", "--output", runs / "both")
    assert "ensemble of 2: tiny" in result.output
    assert "1 of 2 members have Monte Carlo passes" in result.output
    written = {path.name for path in (runs / "both").iterdir()}
    assert {"predictions.parquet", "metrics.json", "status.json", "metrics.csv", "reliability.png"} <= written
    status = json.loads((runs / "both" / "status.json").read_text())
    assert status["status"] == "finished"
    assert [Path(member).name for member in read_ensemble(runs / "both").members] == ["seed0", "seed1"]
    assert read_predictions(runs / "both").sampled
    again = evaluated(runs / "both")
    assert "release" in again.output


@pytest.mark.parametrize("method", ["average", "genetic"])
def test_each_method(tmp_path, method):
    members = [run for noise, name in enumerate("abc") for run in write_experiment(tmp_path, name, noise=noise)]
    pictures = [np.full((4, 4, 3), 9, np.uint8)]
    write_pictures(members[1] / RunFile.THUMBNAILS, ["x"], pictures, 4)
    home = tmp_path / "home"
    keys = QUICK if method == "genetic" else []
    call(*members, *keys, "--output", home, "--name", "ours", method=method)
    stack = np.stack([read_predictions(run).probabilities for run in members])
    actual, facts = read_predictions(home), read_ensemble(home)
    assert actual.probabilities == pytest.approx(Combiner.from_dict(facts.combiner).combine(stack))
    assert facts.labels == ("a", "b", "c")
    assert facts.fitted_on["images"] == (0 if method == "average" else 48)
    assert (actual.about.get("fitted") is None) == (method == "average")
    assert list(read_pictures(home / RunFile.THUMBNAILS)) == ["x"]
    assert member_folders(home, facts) == members
    assert str(tmp_path) not in (home / "ensemble.json").read_text()  # it may be passed on
    assert pd.read_csv(home / "weights.csv")["weight"].sum() == pytest.approx(1, abs=1e-5)
    again = " ".join(evaluated(home).output.split())
    assert ("fitted on its 48 validation images" in again) == (method != "average")


def test_whole_experiments_have_an_ensemble_per_fold(tmp_path):
    members = [run for noise, name in enumerate("ab") for run in write_experiment(tmp_path, name, 2, noise)]
    result = call(*members, "population=10", "generations=2", "--output", tmp_path / "ab", method="genetic")
    folds = [tmp_path / "ab" / f"fold{fold}" for fold in range(2)]
    assert member_folders(folds[1], read_ensemble(folds[1])) == [tmp_path / name / "fold1" for name in "ab"]
    assert read_ensemble(folds[1]).combiner["facts"]["settings"]["population"] == 10
    assert read_predictions(folds[0]).about["fold"] == 0
    assert "96 test images" in result.output
    pooled = evaluated(*folds)
    assert "96 test images" in pooled.output


def test_members_with_other_validation_images(tmp_path):
    first = write_experiment(tmp_path, "a")
    second = write_experiment(tmp_path, "b", noise=1, change=lambda frame: frame.iloc[8:])
    disjoint = write_experiment(tmp_path, "c", noise=2, change=lambda frame: frame[frame["part"] == "test"])
    result = call(*first, *second, *QUICK, "--common", "--output", tmp_path / "new", method="genetic")
    assert "40 validation images of up to 48 are common to all members" in " ".join(result.output.split())
    assert read_ensemble(tmp_path / "new").fitted_on == {"images": 40, "subjects": 16}
    call(*first, *disjoint, "--common", "--output", tmp_path / "none")
    assert set(read_predictions(tmp_path / "none").frame["part"]) == {"test"}
