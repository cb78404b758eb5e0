"""train.py on pictures with boxes: a detector is trained once, and its detections are evaluated and kept."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from cytogenetics.metaphases.box_finder import BoxFinder
from cytogenetics.metaphases.networks.detector import Detector
from cytogenetics.metaphases.networks.trained import load
from karyocyte.commands.export import app as export
from karyocyte.common.errors import UserError
from karyocyte.runs.run import Run
from karyocyte.workflows.training import train
from packages.cytogenetics.tests.metaphases.data.sets import write_metaphases
from tests.faults.artefacts import rewrite
from tests.helpers.terminal import run_app
from tests.helpers.training import small_config

NAMES = [f"10500{case}{picture}" for case in range(1, 9) for picture in (1, 2)]
DATA = ["weights=random", "model.cut=layer3.0", "loader.batch_size=2", "decoder.width=16"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_metaphases(tmp_path_factory.mktemp("metaphases"), NAMES, lists={})


def config(tmp_path, root, *overrides):
    return small_config(tmp_path, f"data_dir={root}", *DATA, *overrides, primary="detector", data=["data=metaphases"])


@pytest.fixture(scope="module")
def trained(root, tmp_path_factory):
    """The configuration and the folder of a detector's run."""
    chosen = config(tmp_path_factory.mktemp("detector"), root)
    return chosen, train.run(chosen)


def test_a_detector_is_trained_once_and_leaves_its_detections(trained, capsys):
    chosen, folder = trained
    run = Run(folder)
    assert run.is_finished
    found = pd.read_parquet(folder / "detections.parquet")
    parts = run.split["part"].iloc[found["row"].unique()]
    assert set(parts) <= {"validation", "test"}
    assert found["score"].between(0, 1).all()
    results = pd.read_csv(folder / "detection.csv", index_col="metric")
    assert results["value"].dropna().between(0, 1).all()  # recall at crossings is undefined: none crosses
    slope, intercept = json.loads((folder / "detector.json").read_text())["calibration"]
    assert np.isfinite([slope, intercept]).all()
    with pytest.raises(UserError, match="the run of a detector"):
        _ = run.config
    written = (folder / "detections.parquet").stat().st_mtime_ns
    assert train.run(chosen) == folder
    assert "average precision at IoU 0.75" in capsys.readouterr().out
    assert (folder / "detections.parquet").stat().st_mtime_ns == written


def test_an_exported_detector_finds_what_its_run_finds(tmp_path, root, trained):
    _, folder = trained
    run_app(export, folder, "--output", tmp_path / "exported", "--half", "--licence", "of the test")
    picture = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        ours, of_run = (load(place, Detector)(picture) for place in (tmp_path / "exported", folder))
    torch.testing.assert_close(ours.centres, of_run.centres, atol=0.02, rtol=0)  # its weights have 16 bits
    torch.testing.assert_close(ours.sides, of_run.sides, atol=0.2, rtol=0)
    boxes, probabilities = BoxFinder.load([folder], None).find(np.zeros((50, 70, 3), np.uint8))
    assert len(boxes) == len(probabilities)
    assert "of the test" in (tmp_path / "exported" / "README.md").read_text()
    start = f"init_from={tmp_path / 'exported'}"
    _, module, contents = train.prepare(config(tmp_path, root, start, "seed=1"))
    assert contents["init_from"] is not None
    started_from = load(tmp_path / "exported", Detector).state_dict()
    assert all(torch.equal(value, started_from[name]) for name, value in module.state_dict().items())
    with pytest.raises(UserError, match="set model=resnet18 model.cut=layer3.0 decoder.width=16"):
        train.prepare(config(tmp_path, root, start, "decoder.width=8"))
    facts = json.loads((tmp_path / "exported" / "model.json").read_text())
    facts["mean"] = [0.5, 0.5, 0.5]
    rewrite(tmp_path / "exported" / "model.json", json.dumps(facts))
    with pytest.raises(UserError, match="another mean and std"):
        train.prepare(config(tmp_path, root, start))
    with (tmp_path / "exported" / "weights.safetensors").open("ab") as file:
        file.write(b"0")
    with pytest.raises(UserError, match="safetensors was changed"):
        load(tmp_path / "exported", Detector)
    with pytest.raises(UserError, match="holds no detector"):
        load(tmp_path, Detector)
