"""train.py with the recipe of a refiner: trained once, evaluated, exported, and what it says of boxes."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from cytogenetics.metaphases.box_finder import BoxFinder
from cytogenetics.metaphases.networks.refiner import BoxRefiner
from cytogenetics.metaphases.networks.trained import load
from cytogenetics.metaphases.training.train import calibrate
from cytogenetics.trained.pictures import BUILT_IN_DETECTOR, BUILT_IN_DETECTORS
from karyocyte.commands.export import app as export
from karyocyte.common.errors import UserError
from karyocyte.runs.address import run_folder, run_identity
from karyocyte.runs.run import Run
from karyocyte.workflows.training import train
from packages.cytogenetics.tests.metaphases.data.sets import drawn_metaphase
from tests.helpers.terminal import run_app
from tests.helpers.training import small_config

DATA = ["data.cells=8", "data.cases=8", "data.abnormal=0", "split.folds=4", "split.validation=0.25"]


def config(tmp_path, *overrides):
    words = [*DATA, f"detector={BUILT_IN_DETECTOR}", "trainer.max_epochs=1", *overrides]
    return small_config(tmp_path, *words, primary="refiner", data=["data=synthetic_metaphases"])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return Run(train.run(config(tmp_path_factory.mktemp("refiner"))))


def test_a_refiner_is_trained_and_compared_with_the_detector(run):
    assert run.is_finished
    found = pd.read_parquet(run.folder / "proposals.parquet")
    assert set(run.split["part"].iloc[found["row"].unique()]) == {"validation", "test"}
    results = pd.read_csv(run.folder / "refinement.csv", index_col="metric")["value"]
    assert results.between(0, 1).all()
    assert results["detectors_ap50"] > 0.8  # on drawn metaphases


def test_an_exported_refiner_says_what_its_run_says(run, tmp_path):
    run_app(export, run.folder, "--output", tmp_path / "exported", "--licence", "of the test")
    drawn = drawn_metaphase()
    picture = np.repeat(drawn.pixels[..., None], 3, axis=2)
    places = (tmp_path / "exported", run.folder)
    (boxes, probabilities), of_run = (BoxFinder.load([BUILT_IN_DETECTOR], place).find(picture) for place in places)
    assert len(boxes) > 30
    assert boxes == pytest.approx(of_run[0], abs=0.1)  # its weights have 16 bits
    assert probabilities == pytest.approx(of_run[1], abs=0.01)
    assert "refined" in (tmp_path / "exported" / "README.md").read_text()


def test_a_refiner_starts_from_another_one_and_keeps_what_was_found(run, tmp_path):
    cache = f"cache_dir={run.raw_config['cache_dir']}"
    folder = Path(run.raw_config["cache_dir"]) / "proposals"
    (kept,) = folder.iterdir()
    before = kept.stat().st_mtime_ns
    _, module, contents = train.prepare(config(tmp_path, cache, f'init_from="{run.folder}"', "seed=1"))
    assert contents["init_from"] is not None
    first = load(run.folder, BoxRefiner).state_dict()
    assert all(torch.equal(value, first[name].cpu()) for name, value in module.state_dict().items())
    assert [path.stat().st_mtime_ns for path in folder.iterdir()] == [before]


def test_another_detector_at_the_same_place_is_another_run(run, tmp_path):
    place = tmp_path / "detector"
    cache = f"cache_dir={run.raw_config['cache_dir']}"
    addresses = []
    for model in BUILT_IN_DETECTORS:
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(model, place)
        chosen = config(tmp_path, cache, f"detector={place}")
        data, _, contents = train.prepare(chosen)
        addresses.append(run_folder(chosen, run_identity(chosen, {"data": data.content_hash(), **contents})))
    assert addresses[0].parent.name == run.folder.parent.name  # wherever the detector lies
    assert addresses[1] != addresses[0]


def test_a_detector_of_the_test_pictures_and_a_small_backbone_are_refused_and_an_export_is_named(run, tmp_path):
    seen = tmp_path / "detector"
    seen.mkdir()
    frame = run.split.assign(part=run.split["part"].map({"test": "train"}).fillna("test"))
    Run(seen).write_split(frame)
    Run(seen).write_status("finished")
    (seen / "config.yaml").write_text("recipe: detector")
    cache = f"cache_dir={run.raw_config['cache_dir']}"
    with pytest.raises(UserError, match="detector=.* was trained or chosen on"):
        train.prepare(config(tmp_path, cache, f"detector={seen}"))
    data, _, _ = train.prepare(config(tmp_path, cache))
    assert any("exported detectors do not list" in line for line in data.warnings())
    with pytest.raises(UserError, match="a refiner needs a ResNet"):
        train.prepare(config(tmp_path, cache, "model=mobilenetv2", "model.cut=null"))


def test_probabilities_are_fitted_to_what_is_true():
    rng = np.random.default_rng(0)
    evidence = rng.normal(size=(4000, 3))
    true = rng.random(4000) < 1 / (1 + np.exp(-(evidence @ [2.0, 1.0, 0.0] - 0.5)))
    assert calibrate(evidence, true) == pytest.approx((2, 1, 0, -0.5), abs=0.2)
    assert calibrate(evidence[true], true[true]) == (1, 0, 0, 0)
