"""scripts/explain.py on small runs, one whose head pools and one whose head flattens."""

import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from common.errors import UserError
from common.predictions import read_predictions
from common.runs.ensemble import EnsembleFile, write_ensemble
from common.runs.run import Run
from common.thumbnails import decode, read_pictures
from scripts.explain import app
from tests.helpers.terminal import error_of, run_app
from tests.helpers.training import run_undrawn, small_config
from workflows.explain.request import ExplainRequest
from workflows.explain.run import select_images, target_classes

PLAIN = {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "100"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two runs on the same cells: a head that pools, and one that flattens."""
    home = tmp_path_factory.mktemp("runs")
    quick = ("trainer.max_epochs=1", "unfreeze=head_only", "prepare.size=64")
    cut = ("model=resnet18", "model.cut=layer1")
    configs = [
        small_config(home, *quick, "model=scratch_cnn", "name=pooled", "head.layers=[gap]"),
        small_config(home, *quick, *cut, "name=flat", "head.layers=[flatten]"),
    ]
    return [run_undrawn(config) for config in configs]


@pytest.fixture
def runs(trained, tmp_path):
    return [shutil.copytree(run, tmp_path / run.parts[-3] / run.parts[-2] / run.name) for run in trained]


def call(*arguments, code=0):
    return run_app(app, *arguments, code=code, **PLAIN)


def test_each_run_gets_pictures_a_table_and_a_figure(runs):
    result = call("heatmaps", *runs, "all=true")
    output = " ".join(result.output.split())
    assert "gradcam averages over all places, but the head of flat" in output
    assert "the head of pooled" not in output
    for run in runs:
        test = read_predictions(run).part("test").frame.set_index("image_id")
        (path,) = (run / "heatmaps").glob("*.parquet")
        table = pd.read_csv(path.with_suffix(".csv")).set_index("image_id")
        pictures, thumbnails = read_pictures(path), read_pictures(run / "thumbnails.parquet")
        assert set(pictures) == set(thumbnails) == set(table.index) == set(test.index)
        assert all(decode(pictures[name]).shape == decode(thumbnails[name]).shape for name in pictures)
        assert (table["target"] == table["called"]).all()
        probabilities = test.filter(like="prob_").max(axis=1)
        assert table["probability"].to_numpy() == pytest.approx(probabilities[table.index].to_numpy(), abs=1e-6)
        assert Image.open(path.with_suffix(".png")).size[0] > 500
    assert sorted(path.name for path in (runs[1] / "heatmaps").iterdir()) == [
        f"gradcam-layer1.{suffix}" for suffix in ("csv", "parquet", "png")
    ]


def test_an_ensemble_is_explained_by_its_members(runs, tmp_path):
    members = EnsembleFile("average", tuple(map(str, runs)), ("a", "b"), {}, {"images": 0, "subjects": 0})
    (tmp_path / "ensemble").mkdir()
    write_ensemble(tmp_path / "ensemble", members)
    shutil.copy(runs[1] / "predictions.parquet", tmp_path / "ensemble")
    call("heatmaps", tmp_path / "ensemble", "method=hirescam,gradcam++", "samples=3")
    tables = [pd.read_csv(next((run / "heatmaps").glob("hirescam-*.csv"))) for run in runs]
    assert tables[0]["image_id"].tolist() == tables[1]["image_id"].tolist()
    assert len(tables[0]) == 3
    assert len(list((runs[0] / "heatmaps").iterdir())) == 6


def test_maps_are_for_the_predicted_the_true_or_a_named_class(runs):
    selected = select_images(Run(runs[0]), ExplainRequest([str(runs[0]), "samples=2"]))
    assert selected.images[selected.rows[1]].shape == (64, 64, 3)
    test, frame = selected.test, selected.test.frame
    assert target_classes(test, "true").tolist() == test.labels.tolist()
    assert selected.targets.tolist() == test.probabilities.argmax(axis=1).tolist()
    assert target_classes(test, test.classes[1]).tolist() == [1, 1]
    frame.loc[1, "label"] = None
    with pytest.raises(UserError, match=f"the class of {frame['image_id'][1]} is unknown"):
        target_classes(test, "true")


def test_the_layers_of_each_run_are_drawn(runs, tmp_path):
    call("layers", *runs)
    pictures = [Image.open(run / "layers" / "layers.png") for run in runs]
    # conv1, pool1, pool2, last pool; of the ResNet the two stages that the cut left
    assert pictures[0].size[0] > 1.2 * pictures[1].size[0]
    out = tmp_path / "out" / "layers.png"
    call("layers", runs[0], "layer=conv2,pool3", "channels=5", "samples=1", "--out", out)
    assert np.asarray(Image.open(out)).shape[0] < pictures[0].size[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["heatmaps", "layer=conv9"], "layer conv9: no module of the model that gives maps; close to it: conv"),
        (["heatmaps", "target=blast"], "target=blast: say predicted, true, or a class: "),
        (["heatmaps", "method=lime"], "method"),
        (["layers", "--out", "a.png", "OTHER"], "--out a.png: one file for 2 runs"),
    ],
)
def test_an_error_is_one_line_and_leaves_nothing(trained, arguments, words):
    before = sorted(trained[0].rglob("*"))
    words_of_call = [trained[1] if word == "OTHER" else word for word in arguments[1:]]
    result = call(arguments[0], trained[0], *words_of_call, code=1)
    assert words in error_of(result)
    assert sorted(trained[0].rglob("*")) == before
