"""ensemble.json: what an ensemble is made of, and where that lies."""

import shutil

import pytest

from karyocyte.common.errors import UserError
from karyocyte.runs.ensemble import EnsembleFile, member_folders, write_ensemble
from karyocyte.runs.predictions import write_predictions
from karyocyte.runs.run import Run
from tests.helpers.predictions import make_predictions


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Two runs and an ensemble of them, named from where the command runs."""
    monkeypatch.chdir(tmp_path)
    for seed in range(2):
        folder = tmp_path / "outputs" / f"seed={seed}"
        write_predictions(folder / "predictions.parquet", make_predictions(4, 2, seed=seed))
    members = ("outputs/seed=0", "outputs/seed=1")
    made = EnsembleFile("best", members, ("a", "b"), {"weights": [1, 0]})
    write_ensemble(tmp_path / "outputs" / "both", made)
    return tmp_path / "outputs"


def test_members_are_found_from_elsewhere_and_when_all_moved(home, tmp_path, monkeypatch):
    (tmp_path / "away").mkdir()
    monkeypatch.chdir(tmp_path / "away")
    assert member_folders(home / "both", Run(home / "both").ensemble) == [home / "seed=0", home / "seed=1"]
    moved = shutil.move(home, tmp_path / "archive")
    both = tmp_path / "archive" / "both"
    assert member_folders(both, Run(both).ensemble)[1].resolve() == (tmp_path / moved / "seed=1").resolve()


def test_a_lost_member_and_one_that_was_trained_again_are_named(home):
    write_predictions(home / "seed=1" / "predictions.parquet", make_predictions(4, 2, seed=9))
    with pytest.raises(UserError, match="outputs/seed=1 predicts otherwise now.* make the ensemble again"):
        member_folders(home / "both", Run(home / "both").ensemble)
    shutil.rmtree(home / "seed=1")
    with pytest.raises(UserError, match="outputs/seed=1 is not there"):
        member_folders(home / "both", Run(home / "both").ensemble)
