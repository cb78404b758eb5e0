"""scripts/karyotype.py with portable models of chromosomes."""

import json
import shutil

import pandas as pd
import pytest
import torch

from cytogenetics.commands.karyotype import app as karyotype
from cytogenetics.karyotyping import karyotype_request
from karyocyte.commands.export import app as export
from karyocyte.common.errors import UserError
from karyocyte.common.karyotype import CHROMOSOMES
from karyocyte.runs.export import training_command
from karyocyte.runs.files import RunFile
from karyocyte.runs.run import Run
from karyocyte.workflows.training.train import prepare
from lightning_modules.build.build import build_classifier
from lightning_modules.support.checkpoint_io import exported_parts
from tests.faults.artefacts import rewrite
from tests.helpers.chromosomes import write_chromosomes, write_table
from tests.helpers.portable import train_on_chromosomes
from tests.helpers.terminal import error_of, run_app


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Five synthetic cells of five cases, with labels.csv; two of them are in two.csv."""
    root = write_chromosomes(tmp_path_factory.mktemp("portable") / "data", cases=5)
    table = pd.read_csv(root / "labels.csv", dtype=str)
    write_table(root / "two.csv", table[table["cell_id"].isin(["case0.0", "case1.0"])])
    return root


@pytest.fixture(scope="module")
def run(data):
    """A run on chromosomes of any orientation, whose BatchNorm statistics follow the images."""
    return train_on_chromosomes(data)


@pytest.fixture(scope="module")
def portable(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "model"
    run_app(export, run, "--output", folder)
    return folder


@pytest.fixture
def tables(tmp_path):
    """A function that names karyotypes and returns the tables of cells and files."""

    def call(output, *arguments):
        printed = run_app(karyotype, *arguments, "--output", tmp_path / output).output
        (tmp_path / f"{output}.txt").write_text(printed)
        return [pd.read_csv(tmp_path / output / f"{name}.csv") for name in ("karyotypes", "chromosomes")]

    return call


def assert_same(tables, others):
    cells, chromosomes = tables
    other_cells, other_chromosomes = others
    pd.testing.assert_frame_equal(cells, other_cells, atol=2e-5, rtol=1e-4)
    without = [table.drop(columns="seen") for table in (chromosomes, other_chromosomes)]
    pd.testing.assert_frame_equal(*without, atol=2e-5, rtol=1e-4)


def test_a_portable_model_names_the_karyotypes_of_its_run(run, portable, data, tables, tmp_path):
    cells = data / "two.csv"
    of_run = tables("run", run, cells)
    assert of_run[0]["karyotype"].notna().all()
    assert "The network adapts to these images by" in (tmp_path / "run.txt").read_text()
    page = (tmp_path / "run" / "index.html").read_text()
    assert '<p class="reading">The network adapts to these images by the BatchNorm statistics of 92' in page
    assert_same(tables("portable", portable, cells), of_run)
    trained = ["batchnorm=trained"]
    of_training = tables("trained", portable, cells, *trained)
    assert_same(of_training, tables("run_trained", run, cells, *trained))
    differences = of_run[1]["alone_probability"] - of_training[1]["alone_probability"]
    assert differences.abs().max() > 0.003


def test_a_training_starts_from_the_weights_of_a_portable_model_as_from_its_run(run, portable):
    config = Run(run).config
    starts = [config.model_copy(update={"init_from": str(folder)}) for folder in (run, portable)]
    started, other = (build_classifier(start, CHROMOSOMES) for start in starts)
    assert started[1]["init_from"] != other[1]["init_from"]
    weights = other[0].state_dict()
    for name, values in exported_parts(started[0]).state_dict().items():
        assert torch.equal(values, weights[name])
    follow = config.model_copy(update={"init_from": str(portable)})
    upright = follow.model_copy(update={"head": config.head.model_copy(update={"orientation": False})})
    with pytest.raises(UserError, match=r"was trained with head\.orientation=true: set head\.orientation=true here"):
        build_classifier(upright, CHROMOSOMES)
    lines = prepare(follow)[0].warnings()
    assert "init_from does not list its training images: test on its own fold, or on new images" in lines


def test_wrong_options(portable, data, tmp_path):
    def refused(*arguments):
        return error_of(run_app(karyotype, *arguments, "--output", tmp_path / "new", code=1))

    assert "no cells are named" in refused(portable)
    shutil.copytree(portable, tmp_path / "old")
    for file, key, change, expected in (
        ("export.json", "more", {}, "has no temperatures for cells"),
        ("data.json", "classes", ["hem", "all"], "karyotypes need a run on single chromosomes"),
    ):
        content = json.loads((portable / file).read_text())
        rewrite(tmp_path / "old" / file, json.dumps(content | {key: change}))
        assert expected in refused(tmp_path / "old", data)


@pytest.fixture(scope="module")
def small(run, tmp_path_factory):
    """The run with weights in 16 bits."""
    folder = tmp_path_factory.mktemp("small") / "model"
    (folder.parent / "notes.md").write_text("The cells are synthetic.")
    run_app(export, run, "--output", folder, "--half", "--notes", folder.parent / "notes.md")
    return folder


def test_a_small_model_is_built_in_and_marks_images_as_its_run(run, small, data, tables, tmp_path, monkeypatch):
    monkeypatch.setattr(karyotype_request, "BUILT_IN", small)
    share = "out_of_distribution=0.999"  # of few validation images
    of_run = tables("run", run, data / "two.csv", share)[1]
    of_small = tables("small", data / "two.csv", share)[1]
    assert of_run["out_of_distribution"].notna().all()
    assert (of_run["out_of_distribution"] > 1).any()
    for column, tolerance in (("alone_probability", 0.01), ("out_of_distribution", 0.05)):
        assert of_small[column].to_numpy() == pytest.approx(of_run[column].to_numpy(), rel=tolerance, abs=tolerance)
    monkeypatch.setattr(karyotype_request, "BUILT_IN", tmp_path / "none")
    error = error_of(run_app(karyotype, data, "--output", tmp_path / "new", code=1))
    assert f"{tmp_path / 'none' / 'export.json'} is missing, and no run is named" in error


def test_a_small_model_says_what_it_is(small, portable):
    names = {path.name for path in small.glob("[!.]*")}
    weights, distances = "weights.safetensors", "out_of_distribution.safetensors"
    described = {"README.md", "checksums.json", "config.yaml", "model.json", "data.json", "export.json"}
    assert names == {*described, weights, distances}
    for name in (weights, distances):
        assert (small / name).stat().st_size < 0.6 * (portable / name).stat().st_size
    assert json.loads((small / "export.json").read_text())["parity"]["tolerance"] == 0.01
    card = (small / "README.md").read_text()
    for text in ("Research use only", "The cells are synthetic.", "at most 0.01 is allowed"):
        assert text in card


def test_the_recipe_has_no_places_of_files(tmp_path):
    earlier = Run(tmp_path)
    places = [f"data_dir={tmp_path}/cells", f"cache_dir={tmp_path}/cache"]
    words = [f"{tmp_path}/train.py", "+experiment=x", *places, "weights=random"]
    earlier.write_json(RunFile.ENVIRONMENT, {"command": words})
    assert training_command(earlier) == "python train.py +experiment=x data_dir=<data_dir> weights=random"
    assert training_command(Run(tmp_path / "none")) is None
