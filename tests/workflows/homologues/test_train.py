"""A comparison of homologues is trained, predicted and resumed like any other run."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from common.errors import UserError
from common.runs.run import Run
from datamodules.homologues.changes import KINDS, NULLS
from tests.helpers.chromosomes import write_chromosomes
from tests.helpers.training import small_config
from tests.workflows.interrupted_run import Place, preempted, run_unevaluated
from workflows.train import build_data

NET = ["model.cut=layer1", "prepare.size=[48,24]", "prepare.canvas.area=120", "pairs.width=16", "loader.batch_size=16"]


@pytest.fixture(scope="module")
def cells(tmp_path_factory) -> Path:
    return write_chromosomes(tmp_path_factory.mktemp("cells") / "data", cases=6)


def config_of(cells: Path, home: Path, *overrides: str):
    return small_config(home, *NET, *overrides, experiment="homologue_pairs", data=[f"data_dir={cells}"])


@pytest.fixture(scope="module")
def run(cells, tmp_path_factory) -> Run:
    return Run(run_unevaluated(config_of(cells, tmp_path_factory.mktemp("run"))))


def test_every_pair_of_validation_and_test_is_predicted_in_every_way(run):
    frame = run.predictions.frame
    assert frame["image_id"].is_unique
    counts = frame.groupby(["part", "kind"]).size().unstack()
    assert list(counts.columns) == sorted(KINDS)
    assert (counts.loc["test"] == 44).all()  # two cases of one cell
    assert (
        frame["label"] == np.where(frame["kind"].isin([*KINDS[:NULLS], "exchanged end"]), "normal", "abnormal")
    ).all()
    assert set(frame["group"]) == {str(number) for number in range(1, 23)}


def test_the_table_of_pairs_has_what_was_found_and_what_was_done(run):
    pairs = pd.read_parquet(run.folder / "pairs.parquet")
    frame = run.predictions.frame
    assert (pairs["image_id"] == frame["image_id"]).all()
    assert 1 / (1 + np.exp(-pairs["score"].to_numpy())) == pytest.approx(frame["prob_abnormal"].to_numpy(), abs=1e-5)
    abnormal = (frame["label"] == "abnormal").to_numpy()
    assert ((pairs["size"] > 0) == abnormal).all()
    assert pairs["changed"].isin([0, 1]).all()
    kinds = pairs[[name for name in pairs if name.startswith("prob_")]]
    assert kinds.sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-3)
    assert pairs.loc[~abnormal, "hit"].max() == 0


def test_runs_of_other_seeds_share_their_test_pairs(cells, tmp_path):
    of_seeds = []
    for seed in (0, 1):
        data = build_data(config_of(cells, tmp_path, f"seed={seed}"))
        data.prepare_data()
        data.setup()
        of_seeds.append(data.pictures(data.rows("test")[:40]))
    assert np.array_equal(of_seeds[0].image, of_seeds[1].image)
    assert np.array_equal(of_seeds[0].size, of_seeds[1].size)


def test_an_interrupted_run_ends_like_an_uninterrupted_one(cells, run, tmp_path):
    config = config_of(cells, tmp_path)
    preempted(config, Place("on_train_batch_start", stage=0, epoch=1, batch=3))
    resumed = Run(run_unevaluated(config))
    assert resumed.predictions.frame["prob_abnormal"].equals(run.predictions.frame["prob_abnormal"])


def test_what_is_no_chromosome_is_refused(tmp_path):
    home = write_chromosomes(tmp_path / "one", cases=6, copies=1)
    data = build_data(config_of(home, tmp_path))
    with pytest.raises(UserError, match="no cell of the train or of the test part has a pair"):
        data.setup()
