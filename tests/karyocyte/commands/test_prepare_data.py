"""scripts/prepare_data.py from the outside."""

import re

import pandas as pd
import pytest

from datamodules.image_datamodule import ImageDataModule
from karyocyte.commands.prepare_data import app
from karyocyte.composition.compose import check_config
from tests.helpers.archives import zip_folder
from tests.helpers.digits import write_mnist
from tests.helpers.images import write_cnmc
from tests.helpers.terminal import run_app
from tests.helpers.training import composed


@pytest.fixture
def call(tmp_path):
    def prepare_data(*arguments, code=0):
        result = run_app(app, *arguments, f"cache_dir={tmp_path / 'cache'}", "prepare.size=32", code=code)
        return result.stderr if code else result.output

    return prepare_data


def cells(output):
    """The rows of the printed tables."""
    return [re.split(r"\s{2,}", line.strip()) for line in output.splitlines()]


def test_a_zip_is_unpacked_counted_and_prepared_and_training_finds_it_done(call, tmp_path, monkeypatch):
    write_mnist(tmp_path / "digits", 100, 40)
    archive = zip_folder(tmp_path / "digits", tmp_path / "digits.zip")
    overrides = ["data=mnist", f"data_dir={archive}"]
    output = call(*overrides)
    assert ["mnist", "140", "90", "10", "40", "28 x 28", "1"] in cells(output)
    assert ["9", "14", "9", "1", "4"] in cells(output)
    assert ["(sum)", "140", "90", "10", "40"] in cells(output)
    assert "partial: 100 of 60,000 train images" in output
    (records,) = (tmp_path / "cache").glob("prepared/*/images.csv")
    row = pd.read_csv(records).iloc[0]
    assert row[["label", "width", "height", "channels", "file"]].tolist() == [0, 28, 28, 1, "00000.png"]
    for step in (
        "datamodules.io.archives.unpack",
        "datamodules.io.written_images.whole_folder",
        "datamodules.preprocessing.cache._build",
    ):
        monkeypatch.setattr(step, lambda *args, **kwargs: pytest.fail("done again"))
    places = [f"cache_dir={tmp_path / 'cache'}", "prepare.size=32", "weights=random"]
    data = ImageDataModule(check_config(composed([*overrides, *places])), progress=False)
    data.setup()
    assert len(data.images) == 140


def test_of_several_jobs_each_preparation_is_made_once(call, tmp_path, monkeypatch):
    root = write_mnist(tmp_path / "digits")
    jobs = ["prepare.crop=true,false", "seed=0,1,2", "split.fold=0,1", "head.logits=null"]
    output = call("data=mnist", f"data_dir={root}", "protocol=image", *jobs)
    assert output.count("prepared: 60 images of 32 x 32 pixels") == 2
    assert len(list((tmp_path / "cache").glob("prepared/*/images.csv"))) == 2


def test_weights_are_brought_without_any_data(call, tmp_path, monkeypatch):
    (tmp_path / "own" / "sweep").mkdir(parents=True)
    (tmp_path / "own/sweep/own.yaml").write_text("# @package _global_\nhydra: {sweeper: {params: {seed: '0,1'}}}")
    words = ["--config-dir", str(tmp_path / "own"), "+experiment=scratch_cnn_d128", "+sweep=own"]
    monkeypatch.setattr("sys.argv", ["prepare_data.py", *words])
    output = call(*words, f"data_dir={tmp_path / 'none'}", "--weights")
    assert "0 files of weights" in output
    assert "add --weights" in call("--list", code=1)
    assert not (tmp_path / "cache").exists()


def test_images_are_counted_without_a_possible_split(call, tmp_path):
    digits = f"data_dir={write_mnist(tmp_path / 'digits')}"
    output = call("data=mnist", digits, "protocol=subject", "split.test=fold", "--no-images")
    assert "no split: protocol=subject needs subjects" in " ".join(output.split())
    assert ["(sum)", "60"] in cells(output)


def test_images_are_drawn_before_and_after_each_change(call, tmp_path):
    root = write_cnmc(tmp_path / "cnmc", subjects_per_fold=8, images=1)
    folder = tmp_path / "figures"
    overrides = ["data=cnmc", f"data_dir={root}", "transform=paper", "--before-after", str(folder)]
    output = "".join(call(*overrides).split())
    made = {"preparation.png", "clahe.png", "augmentation.png"}
    assert {path.name for path in folder.glob("*.png")} == made
    assert "augmentation.png" in output
    assert "exists already" in call(*overrides, code=1)


def test_drawn_images_are_exported_and_nothing_is_prepared(call, tmp_path):
    keys = ["data=synthetic_cells", "data.images=8", "data.subjects=4", "data.size=32", "--export", tmp_path / "own"]
    assert "8 synthetic images in" in call(*keys)
    assert len(list((tmp_path / "own").glob("*/*_00?.png"))) == 8
    assert not (tmp_path / "cache" / "prepared").exists()
    assert "one data set" in call(*keys[:-1], tmp_path / "two", "data.seed=0,1", code=1)
