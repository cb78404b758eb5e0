"""scripts/explain.py on small runs on karyograms whose abnormalities are known."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from common.predictions import read_predictions, write_predictions
from common.runs.ensemble import EnsembleFile, write_ensemble
from common.runs.run import Run
from common.thumbnails import decode, read_pictures
from scripts.explain import app
from tests.helpers.chromosomes import write_chromosomes
from tests.helpers.images import cell_image, write_image
from tests.helpers.terminal import error_of, run_app
from tests.helpers.training import run_undrawn, small_config
from workflows.explain.request import ExplainRequest
from workflows.explain.selection import select_images, target_classes

PLAIN = {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "100"}
SHEETS = [
    "data=composed_karyograms",
    "data.sheet.size=[320,420]",
    "data.sheet.scale=0.5",
    "data.sheet.labels=false",
    *(f"data.derived.{kind}=0" for kind in ("terminal_deletion", "interstitial_deletion", "duplication")),
    *(f"data.derived.{kind}=0" for kind in ("translocation", "inversion", "sex_gain")),
    "data.derived.gain=6",
    "data.derived.sex_loss=6",
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two runs on the same karyograms: a head that pools, and one that flattens."""
    home = tmp_path_factory.mktemp("runs")
    root = write_chromosomes(home / "data", cases=9)
    data = [*SHEETS, f"data_dir={root}", "transform=karyograms", "protocol=image", "split.folds=3"]
    quick = (
        "trainer.max_epochs=1",
        "unfreeze=head_only",
        "prepare.size=64",
        "prepare.fit=stretch",
        "prepare.crop=false",
        "prepare.augment_at=null",
    )
    cut = ("model=resnet18", "model.cut=layer1")
    configs = [
        small_config(home, *quick, "model=scratch_cnn", "name=pooled", "head.layers=[gap]", data=data),
        small_config(home, *quick, *cut, "name=flat", "head.layers=[flatten]", data=data),
    ]
    return [run_undrawn(config) for config in configs]


@pytest.fixture
def runs(trained, tmp_path):
    return [shutil.copytree(run, tmp_path / run.parts[-3] / run.parts[-2] / run.name) for run in trained]


@pytest.fixture
def ensemble(runs, tmp_path):
    folder = tmp_path / "ensemble"
    folder.mkdir()
    members = EnsembleFile("average", tuple(map(str, runs)), ("a", "b"), {}, {"images": 0, "subjects": 0})
    write_ensemble(folder, members)
    shutil.copy(runs[1] / "predictions.parquet", folder)
    return folder


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
        probabilities = test[["prob_normal", "prob_abnormal"]].max(axis=1)
        assert table["probability"].to_numpy() == pytest.approx(probabilities[table.index].to_numpy(), abs=1e-6)
        assert (table["energy_inside"].isna() == ((table["label"] == "normal") | table["empty"])).all()
        assert Image.open(path.with_suffix(".png")).size[0] > 500
    assert sorted(path.name for path in (runs[1] / "heatmaps").iterdir()) == [
        f"gradcam-layer1.{suffix}" for suffix in ("csv", "parquet", "png")
    ]


def test_maps_of_other_images_stay_and_those_of_another_training_do_not(runs):
    path = runs[0] / "heatmaps" / "hirescam-conv2.csv"
    options = ("heatmaps", runs[0], "method=hirescam", "layer=conv2")
    call(*options, "samples=3")
    first = pd.read_csv(path)
    assert len(first) == 3
    call(*options, "samples=1", "target=abnormal")
    second = pd.read_csv(path)
    assert set(second["image_id"]) == set(first["image_id"])
    assert set(read_pictures(path.with_suffix(".parquet"))) == set(second["image_id"])
    predictions = read_predictions(runs[0])
    frame = predictions.frame.assign(prob_normal=0.123, prob_abnormal=0.877)
    write_predictions(runs[0] / "predictions.parquet", replace(predictions, frame=frame))
    call(*options, "samples=1")
    assert len(pd.read_csv(path)) == 1


def test_the_members_of_an_ensemble_are_drawn_side_by_side(runs, ensemble, tmp_path):
    call("heatmaps", ensemble, "method=eigencam")
    wide, tall = Image.open(ensemble / "heatmaps" / "eigencam-members.png").size
    assert wide > 700
    tables = [pd.read_csv(next((run / "heatmaps").glob("eigencam-*.csv"))) for run in runs]
    assert tables[0]["image_id"].tolist() == tables[1]["image_id"].tolist()
    out = tmp_path / "both.png"
    call("heatmaps", *runs, "which=doubtful", "samples=2", "--out", out)
    assert Image.open(out).size[1] != tall


def test_files_of_ones_own_leave_a_figure_alone(runs, tmp_path):
    files = [write_image(tmp_path / f"{number}.png", cell_image(number)) for number in range(2)]
    call("heatmaps", runs[0], *files, "method=occlusion", "windows=4")
    assert [path.name for path in (runs[0] / "heatmaps").iterdir()] == ["occlusion-input-files.png"]
    selected = select_images(Run(runs[0]), ExplainRequest([str(runs[0]), *map(str, files)]))
    assert selected.test.probabilities.sum(axis=1) == pytest.approx(1)
    of_test = select_images(Run(runs[0]), ExplainRequest([str(runs[0]), "samples=2"]))
    assert of_test.image(1).shape == (64, 64, 3)
    assert target_classes(of_test, "true") == of_test.test.labels.tolist()


def test_heat_is_measured_against_the_true_places(runs, tmp_path):
    csv = tmp_path / "found" / "localisation.csv"
    layers = ["layer=conv1,layer1.0"]
    call("localisation", runs[1], "method=hirescam", *layers, "--csv", csv, "evaluation.resamples=20")
    again = call("localisation", runs[1], "method=hirescam", "layer=conv1", "--csv", csv, "evaluation.resamples=20")
    assert "hirescam at conv1, in per cent" in again.output
    table = pd.read_csv(csv)
    assert table.groupby("layer")["group"].apply(list).tolist() == [table["group"].unique().tolist()] * 2
    whole = table[table["group"] == "all"].iloc[0]
    test = read_predictions(runs[1]).part("test").frame
    assert whole["images"] == (test["label"] == "abnormal").sum()
    assert 0 < whole["area"] < 0.05
    one = pd.read_csv(runs[1] / "localisation" / "hirescam-conv1.csv")
    assert set(one["kind"]) <= {"gain", "sex_loss", "trisomy", "sex_aneuploidy"}
    assert (one["target"] == "abnormal").all()
    row = table[(table["group"] == "all") & (table["layer"] == "conv1")].iloc[0]
    assert row["energy"] == pytest.approx(one["energy"].mean(), abs=1e-5)
    assert np.isfinite(row[["pointing_elsewhere", "energy_elsewhere", "energy_gain_elsewhere"]].astype(float)).all()
    assert Image.open(runs[1] / "localisation" / "hirescam-conv1.png").size[0] > 500


def test_missing_thumbnails_are_written_and_those_of_an_ensemble_are_its_members(runs, ensemble):
    before = read_pictures(runs[0] / "thumbnails.parquet")
    (runs[0] / "thumbnails.parquet").unlink()
    call("thumbnails", runs[0], ensemble)
    assert read_pictures(runs[0] / "thumbnails.parquet") == before
    assert read_pictures(ensemble / "thumbnails.parquet") == before


def test_the_layers_of_each_run_are_drawn(runs):
    call("layers", *runs)
    pictures = [Image.open(run / "layers" / "layers.png") for run in runs]
    assert all(min(picture.size) > 500 for picture in pictures)
    # conv1, pool1, pool2, last pool; of the ResNet the two stages that the cut left
    assert pictures[0].size[0] > 1.2 * pictures[1].size[0]


def test_the_layers_of_image_files_are_drawn(runs, tmp_path):
    files = [write_image(tmp_path / f"{number}.png", cell_image(number)) for number in range(2)]
    out = tmp_path / "out" / "layers.png"
    call("layers", runs[0], *files, "layer=conv2,pool3", "channels=5", "--out", out)
    assert out.is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["heatmaps", "layer=conv9"], "layer conv9: the model has no such module; close to it: conv"),
        (["heatmaps", "target=blast"], "target=blast: say predicted, true, or a class: normal, abnormal"),
        (["heatmaps", "absent.png"], "absent.png: there is no such image file"),
        (["localisation", "method=lime"], "method"),
        (["layers", "--out", "a.png", "OTHER"], "--out a.png: one file for 2 runs"),
    ],
)
def test_an_error_is_one_line_and_leaves_nothing(trained, arguments, words):
    before = sorted(trained[0].rglob("*"))
    words_of_call = [trained[1] if word == "OTHER" else word for word in arguments[1:]]
    result = call(arguments[0], trained[0], *words_of_call, code=1)
    assert words in error_of(result)
    assert sorted(trained[0].rglob("*")) == before
