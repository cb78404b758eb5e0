"""scripts/explain.py on small runs, one whose head pools and one whose head flattens."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from karyocyte.commands.explain import app
from karyocyte.common.errors import UserError
from karyocyte.evaluation.pages.thumbnails import read_pictures
from karyocyte.runs.ensemble import EnsembleFile, write_ensemble
from karyocyte.runs.predictions import read_predictions
from karyocyte.runs.run import Run
from karyocyte.workflows.explain.explain_request import ExplainRequest
from karyocyte.workflows.explain.explain_runs import choose, select_images, share_inside, target_classes
from tests.helpers.images import decoded
from tests.helpers.terminal import error_of, run_app
from tests.helpers.training import run_undrawn, small_config


def train(home, *words):
    return run_undrawn(small_config(home, "trainer.max_epochs=1", "unfreeze=head_only", "prepare.size=64", *words))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two runs on the same cells: a head that pools, and one that flattens."""
    home = tmp_path_factory.mktemp("runs")
    flat = ("model=resnet18", "model.cut=layer1", "name=flat", "head.layers=[flatten]")
    return [train(home, "model=scratch_cnn", "name=pooled", "head.layers=[gap]"), train(home, *flat)]


@pytest.fixture
def runs(trained, tmp_path):
    return [shutil.copytree(run, tmp_path / run.parts[-3] / run.parts[-2] / run.name) for run in trained]


def call(*arguments, code=0):
    return run_app(app, *arguments, code=code, NO_COLOR="1", TERM="dumb", COLUMNS="100")


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
        assert all(decoded(pictures[name]).shape == decoded(thumbnails[name]).shape for name in pictures)
        assert (table["target"] == table["called"]).all()
        assert table["path"].equals(test.loc[table.index, "path"])
        assert table["inside"].isna().equals(table["empty"])
        assert table["inside"].dropna().between(0, 1).all()
        assert Image.open(path.with_suffix(".png")).size[0] > 500
    written = sorted(path.name for path in (runs[1] / "heatmaps").glob("[!.]*"))
    assert written == [f"gradcam-layer1.{suffix}" for suffix in ("csv", "parquet", "png")]


def test_the_share_of_the_heat_inside_the_outline_is_that_on_the_pixels_of_the_cell():
    image = np.zeros((4, 4, 3), np.uint8)
    image[:2, :2] = (0, 9, 0)
    heat = np.ones((4, 4), np.float32)

    assert share_inside(heat, image, 0) == pytest.approx(4 / 16)
    assert share_inside(heat, image, 9) == 0
    assert np.isnan(share_inside(0 * heat, image, 0))


def tables_of(runs, pattern="*.csv"):
    """Return the table of the heat maps of each run."""
    return [pd.read_csv(next((run / "heatmaps").glob(pattern))) for run in runs]


def test_an_ensemble_is_explained_by_its_members(runs, tmp_path):
    members = EnsembleFile("average", tuple(map(str, runs)), ("a", "b"), {})
    (tmp_path / "ensemble").mkdir()
    write_ensemble(tmp_path / "ensemble", members)
    shutil.copy(runs[1] / "predictions.parquet", tmp_path / "ensemble")
    call("heatmaps", tmp_path / "ensemble", "method=hirescam", "samples=3")
    assert [len(table) for table in tables_of(runs, "hirescam-*.csv")] == [3, 3]
    assert len(list((runs[0] / "heatmaps").glob("[!.]*"))) == 3


def test_maps_are_for_the_predicted_the_true_or_a_named_class(runs):
    run, request = Run(runs[0]), ExplainRequest.read([str(runs[0]), "samples=2"])
    selected = select_images(run, request, choose(run.predictions.part("test"), 2))
    assert selected.images[1].shape == (64, 64, 3)
    test, frame = selected.test, selected.test.frame
    assert ExplainRequest.read([str(runs[0]), "target=true"]).settings.target == "true"
    assert target_classes(test, "true").tolist() == test.labels.tolist()
    assert selected.targets.tolist() == test.probabilities.argmax(axis=1).tolist()
    assert target_classes(test, test.classes[1]).tolist() == [1, 1]
    frame.loc[1, "label"] = None
    with pytest.raises(UserError, match=f"the class of {frame['image_id'][1]} is unknown"):
        target_classes(test, "true")
    with pytest.raises(UserError, match="target=blast: say predicted, true, or a class: "):
        target_classes(test, "blast")


def test_the_layers_of_each_run_are_drawn(runs, tmp_path):
    call("layers", *runs)
    out = tmp_path / "out" / "layers.png"
    call("layers", runs[0], "layer=conv2,pool3", "samples=1", "--out", out)
    assert Image.open(out).size[1] < Image.open(runs[0] / "layers" / "layers.png").size[1]


def test_several_runs_are_in_one_figure(runs, tmp_path, monkeypatch):
    drawn = {}
    draw = "karyocyte.workflows.explain.explain_runs.draw_sheet"
    monkeypatch.setattr(draw, lambda path, _, strips, *size: drawn.update({path: dict(strips)}))
    call("heatmaps", *runs, "samples=2", "--out", tmp_path / "maps.png")
    call("layers", *runs, "samples=2", "--out", tmp_path / "layers.png")
    maps, layers = drawn[tmp_path / "maps.png"], drawn[tmp_path / "layers.png"]
    for strip in maps.values():  # the image, and its map by each run
        shown = [[lines[0][0], *(line for line, _ in lines[2:4])] for _, lines in strip[1:]]
        assert shown == [["pooled", "gradcam", "act4"], ["flat", "gradcam", "layer1"]]
    assert [heading.split(" · ")[0].split("\n")[-1] for heading in layers] == ["pooled"] * 2 + ["flat"] * 2
    # conv1, pool1, pool2, last pool; of the ResNet the two stages that the cut left
    assert [len(strip) for strip in layers.values()] == [1 + 4] * 2 + [1 + 2] * 2
    tables = tables_of(runs)
    assert tables[0]["image_id"].tolist() == tables[1]["image_id"].tolist()
    assert {heading.split(" · ")[-1] for heading in maps} == set(tables[0]["image_id"])


def test_runs_of_other_images_have_no_common_figure(runs, tmp_path):
    predictions = Run(runs[1]).predictions
    named = predictions.frame.assign(image_id="other " + predictions.frame["image_id"])
    Run(runs[1]).write_predictions(replace(predictions, frame=named))
    result = call("heatmaps", *runs, "all=true", "--out", tmp_path / "maps.png", code=1)
    assert "was not tested on the images of the first run" in error_of(result)
    assert not (tmp_path / "maps.png").exists()
    assert not (runs[0] / "heatmaps").exists()
