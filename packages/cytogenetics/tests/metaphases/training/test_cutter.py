"""train.py with the recipe of a cutter: trained once, evaluated, exported, and what it cuts."""

import numpy as np
import pandas as pd
import pytest
import torch

from cytogenetics.metaphases.data.cut_out import cut_out_by
from cytogenetics.metaphases.networks.cutter import Cutter, agreement
from cytogenetics.metaphases.networks.detector import Detector
from cytogenetics.metaphases.networks.trained import load
from karyocyte.commands.export import app as export
from karyocyte.common.errors import UserError
from karyocyte.runs.run import Run
from karyocyte.workflows.training import train
from tests.helpers.terminal import run_app
from tests.helpers.training import small_config

DATA = ["data.cells=6", "data.cases=6", "data.abnormal=0", "split.folds=3", "split.validation=0.2"]


def config(tmp_path, *overrides):
    return small_config(tmp_path, *DATA, *overrides, primary="cutter", data=["data=synthetic_metaphases"])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return Run(train.run(config(tmp_path_factory.mktemp("cutter"))))


def test_a_cutter_is_trained_and_evaluated(run):
    assert run.is_finished
    masks = pd.read_parquet(run.folder / "masks.parquet")
    assert set(run.split["part"].iloc[masks["index"].unique()]) == {"validation", "test"}
    results = pd.read_csv(run.folder / "cutting.csv", index_col="metric")["value"]
    assert results.between(0, 1).all()
    tested = masks[(run.split["part"] == "test").to_numpy()[masks["index"]]]
    assert results["network_iou"] == pytest.approx(tested["network_iou"].mean())
    assert results["network_contaminated"] == pytest.approx((tested["network_others"] > 0.2).mean())


def test_an_exported_cutter_cuts_what_its_run_cuts_and_is_no_detector(run, tmp_path):
    run_app(export, run.folder, "--output", tmp_path / "exported", "--licence", "of the test")
    picture = np.random.default_rng(0).integers(0, 255, (90, 120), np.uint8)
    boxes = np.array([[10, 10, 60, 50], [40, 20, 119, 89]], np.float32)
    cutters = [load(place, Cutter) for place in (tmp_path / "exported", run.folder)]
    ours, of_run = (cut_out_by(cutter.probabilities, picture, boxes) for cutter in cutters)
    for one, other in zip(ours, of_run, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)
    with pytest.raises(UserError, match="holds no detector"):
        load(tmp_path / "exported", Detector)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("model=resnet18", "its features are smaller than the image: set model=unet"),
        ("callbacks.monitor=val/f1", "choose one of val/iou, val/loss"),
        ("transform.flips=true", "masks and boxes are not moved"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, run, override, words):
    with pytest.raises(UserError, match=words):
        train.run(config(tmp_path, f"cache_dir={run.raw_config['cache_dir']}", override))


def test_agreement_is_intersection_over_union_and_the_share_beyond():
    masks = torch.tensor([[[1, 1, 0, 0]], [[0, 0, 0, 0]]]) > 0
    true = torch.tensor([[[0, 1, 1, 0]], [[0, 0, 0, 1]]]) > 0
    overlap, beyond = agreement(masks, true)
    assert overlap.tolist() == pytest.approx([1 / 3, 0])
    assert beyond.tolist() == [0.5, 1.0]
