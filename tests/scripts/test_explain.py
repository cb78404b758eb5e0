"""scripts/explain.py from the outside, on two runs that were trained for it."""

import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from common.predictions import read_predictions
from scripts.explain import app
from tests.helpers.images import cell_image, write_image
from tests.helpers.training import run_undrawn, small_config
from workflows.explain.activations import data_set_of, with_common_grids

PLAIN = {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "100"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A small CNN with four pools at 64 px, and a cut ResNet at 32 px, both on drawn cells."""
    tmp_path = tmp_path_factory.mktemp("runs")
    quick = ("trainer.max_epochs=1", "unfreeze=head_only", "data.size=64")
    configs = [
        small_config(tmp_path, "model=scratch_cnn", "name=pools", "prepare.size=64", *quick),
        small_config(tmp_path, "model=resnet18", "model.cut=layer2", "name=stages", *quick),
    ]
    return [run_undrawn(config) for config in configs]


def call(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)), env=PLAIN)


def test_each_run_gets_its_picture(runs):
    result = call("layers", *runs)
    assert result.exit_code == 0, result.output
    pictures = [Image.open(run / "layers" / "layers.png") for run in runs]
    assert all(min(picture.size) > 500 for picture in pictures)
    # conv1, pool1, pool2, last pool; of the ResNet the three stages that the cut left
    assert pictures[0].size[0] > 1.2 * pictures[1].size[0]
    assert sorted(path.name for path in (runs[0] / "layers").iterdir()) == ["layers.png"]


def test_files_and_layers_of_ones_own(runs, tmp_path):
    files = [write_image(tmp_path / f"{number}.png", cell_image(number)) for number in range(2)]
    out = tmp_path / "out" / "layers.png"
    result = call("layers", runs[0], "--images", *files, "--layers", "conv2, pool3", "--channels", 5, "--out", out)
    assert result.exit_code == 0, result.output
    assert out.is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--layers", "conv9"], "close to it: conv"),
        (["--images", "absent.png"], "absent.png: there is no such image file"),
        (["--out", "a.png", "again"], "--out a.png: one file for 2 runs"),
    ],
)
def test_a_mistake_is_one_line(runs, arguments, words):
    arguments = [runs[1] if word == "again" else word for word in arguments]
    result = call("layers", runs[0], *arguments)
    assert result.exit_code == 1
    assert words in result.stderr
    assert result.stderr.strip().count("\n") == 0


def test_the_smoothness_of_all_runs_is_one_table(runs, tmp_path):
    path = tmp_path / "results" / "smoothness.csv"
    result = call("smoothness", *runs, runs[0], "--csv", path, "--samples", 3, "--resamples", 20)
    assert result.exit_code == 0, result.output
    assert "too few for an interval" in result.output
    table = pd.read_csv(path)
    pools = table[table["experiment"] == "pools"].set_index("position")
    assert list(pools.index) == ["conv1", "pool1", "pool2", "last pool"]  # once, though it was named twice
    assert pools["layer"].tolist() == ["conv1", "pool1", "pool2", "pool4"]
    assert pools["smoothness"].between(-0.9, 1).tolist() == [True, True, True, False]  # pool4 is 1 x 1
    assert (pools["images"] == 3).all()
    assert table["network"].unique().tolist() == ["scratch_cnn", "resnet18 to layer2"]
    test = read_predictions(runs[0]).part("test")
    right = ((test.probabilities[:, 1] >= 0.5) == (test.labels == 1)).mean()
    assert pools["accuracy"].tolist() == pytest.approx([right] * 4, abs=1e-6)
    assert pools["run"].iloc[0] == "/".join(runs[0].parts[-3:])
    assert set(pd.read_csv(path.with_name("smoothness_correlation.csv"))["coefficient"]) == {"spearman", "pearson"}
    assert Image.open(path.with_suffix(".png")).size[0] > 500


def test_the_common_grid_is_the_least_of_any_run_that_has_rows_and_columns():
    shapes = [("conv1", 55, 27), ("conv1", 40, 30), ("conv1", 64, 64), ("last", 1, 1), ("last", 3, 2), ("last", 1, 4)]
    table = with_common_grids(pd.DataFrame(shapes, columns=["position", "height", "width"]))
    grids = table[["common_height", "common_width"]].to_numpy().tolist()
    assert grids == [[40, 27]] * 3 + [[1, 1], [3, 2], [1, 4]]


@pytest.mark.parametrize(
    ("data", "folder", "name"),
    [
        ("chromosomes", "sets/x612", "chromosomes x612"),
        ("chromosomes", "sets/cells119.zip", "chromosomes cells119"),
        ("cnmc", "anywhere", "cnmc"),
        ("synthetic", "null", "synthetic"),
    ],
)
def test_two_sets_of_one_source_are_two_data_sets(tmp_path, data, folder, name):
    """Smoothness and accuracy are standardised within each: one may be harder than the other."""
    assert data_set_of(small_config(tmp_path, f"data_dir={folder}", data=[f"data={data}"])) == name
