"""scripts/ensemble.py from the outside."""

import numpy as np
import pandas as pd
import pytest

from karyocyte.commands.ensemble import app
from karyocyte.commands.evaluate import app as evaluate
from karyocyte.evaluation.pages.thumbnails import read_pictures, write_pictures
from karyocyte.evaluation.pooling.averaging import Combiner
from karyocyte.runs.ensemble import member_folders
from karyocyte.runs.files import RunFile
from karyocyte.runs.predictions import Predictions, read_predictions, write_predictions
from karyocyte.runs.run import Run
from tests.helpers.predictions import make_run, with_passes
from tests.helpers.terminal import run_app

pytestmark = pytest.mark.usefixtures("blank_figures")


def call(*arguments, method="average"):
    return run_app(app, method, *arguments, "evaluation.resamples=20", COLUMNS="100")


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


@pytest.mark.parametrize("method", ["average", "genetic"])
def test_the_new_run_of_each_method_is_evaluated_like_any_other(tmp_path, method):
    members = [run for noise, name in enumerate("abc") for run in write_experiment(tmp_path, name, noise=noise)]
    write_predictions(members[2] / RunFile.PREDICTIONS, with_passes(read_predictions(members[2])))
    pictures = [np.full((4, 4, 3), 9, np.uint8)]
    write_pictures(members[1] / RunFile.THUMBNAILS, ["x"], pictures, 4)
    home = tmp_path / "home"
    keys = QUICK if method == "genetic" else []
    call(members[0], members[1] / RunFile.PREDICTIONS, members[2], *keys, "--output", home, method=method)
    assert {"metrics.csv", "reliability.png"} <= {path.name for path in home.iterdir()}
    assert Run(home).is_finished
    stack = np.stack([read_predictions(run).probabilities for run in members])
    actual, facts = read_predictions(home), Run(home).ensemble
    assert actual.probabilities == pytest.approx(Combiner.from_dict(facts.combiner).combine(stack))
    assert "sampled_label" in actual.frame
    assert facts.labels == ("a", "b", "c")
    assert actual.about.get("fitted", {}).get("images") == (None if method == "average" else 48)
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
    assert member_folders(folds[1], Run(folds[1]).ensemble) == [tmp_path / name / "fold1" for name in "ab"]
    assert Run(folds[1]).ensemble.combiner["facts"]["settings"]["population"] == 10
    assert read_predictions(folds[0]).about["fold"] == 0
    assert "96 test images" in result.output
    pooled = evaluated(*folds)
    assert "96 test images" in pooled.output


def test_members_with_other_validation_images(tmp_path):
    first = write_experiment(tmp_path, "a")
    second = write_experiment(tmp_path, "b", noise=1, change=lambda frame: frame.iloc[8:])
    disjoint = write_experiment(tmp_path, "c", noise=2, change=lambda frame: frame[frame["part"] == "test"])
    call(*first, *second, *QUICK, "--common", "--output", tmp_path / "new", method="genetic")
    assert Run(tmp_path / "new").predictions.about["fitted"].items() >= {"images": 40, "subjects": 16}.items()
    call(*first, *disjoint, "--common", "--output", tmp_path / "none")
    assert set(read_predictions(tmp_path / "none").frame["part"]) == {"test"}
