"""Data modules built from keyword arguments, as in a notebook."""

import subprocess
import sys

import pytest
from pytorch_lightning import Trainer

import datamodules
from datamodules.datasets import DATA_MODULES, data_module
from karyocyte.common.composition.compose import compose_config
from karyocyte.common.paths import ROOT
from lightning_modules.build import create_classifier
from tests.helpers.chromosomes import write_chromosomes
from tests.helpers.digits import write_mnist
from tests.helpers.images import write_class_folders, write_cnmc

DRAWN = {"images": 40, "subjects": 10, "prepare": {"size": 32}, "split": {"near_duplicates": "off"}}


def write_folders(root):
    return write_class_folders(root, {"a": 12, "b": 12})


@pytest.mark.parametrize(
    ("name", "write", "keys", "shape"),
    [
        ("CNMCDataModule", write_cnmc, {"size": 32}, (3, 32, 32)),
        ("FolderDataModule", write_folders, {"positive_class": "b", "protocol": "image", "size": 24}, (3, 24, 24)),
        ("HemAllDataModule", write_cnmc, {"size": 40}, (3, 40, 40)),
        ("ChromosomeDataModule", lambda root: write_chromosomes(root, cases=5, copies=1), {"size": 32}, (3, 32, 32)),
        ("ComposedKaryogramDataModule", None, {"data": "synthetic_karyograms", "size": 64}, (3, 64, 64)),
        ("MNISTDataModule", lambda root: write_mnist(root, train=100), {"size": 28}, (3, 28, 28)),
    ],
)
def test_each_data_set_has_defaults_of_its_own(name, write, keys, shape, tmp_path):
    data_dir = write(tmp_path / "images") if write else None
    places = {"data_dir": data_dir, "cache_dir": tmp_path / "cache"}
    data = getattr(datamodules, name)(**keys, **places, batch_size=3, progress=False)
    data.prepare_data()
    data.setup()
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    assert batch["image"].shape == (3, *shape)
    assert sum(len(labels) for _, labels, _ in data.test_dataloader()) == len(data.rows("test"))


@pytest.mark.parametrize("source", sorted(DATA_MODULES))
def test_in_python_a_data_set_has_the_settings_of_train_py(source):
    config = compose_config([f"data={source}", "data_dir=images", "prepare.size=64"])
    module = type(data_module(config))
    assert module is DATA_MODULES[source]
    assert module(data_dir="images", size=64).config == config


def test_the_data_set_of_paper_004_is_cropped_and_balanced_as_there():
    config = datamodules.CNMCDataModule(data_dir="images").config
    assert (config.prepare.crop, config.prepare.clahe, config.balance.name) == (True, False, "paper")
    assert config.transform.flips
    assert config.transform.apply_to == "copies"


def test_setup_needs_no_order_and_runs_once(tmp_path):
    data = datamodules.SyntheticCellsDataModule(**DRAWN, cache_dir=tmp_path)
    assert len(data.manifest.frame) == len(data.parts) == 40
    parts = data.parts
    data.setup("fit")
    data.prepare_data()
    data.setup("test")
    assert data.parts is parts
    assert len(data.images) == 40


def test_a_plain_trainer_fits_and_tests(tmp_path):
    data = datamodules.SyntheticCellsDataModule(**DRAWN, cache_dir=tmp_path, batch_size=4)
    model = create_classifier("resnet18", 2, cut="layer1", image_size=32, lr=0.01)
    trainer = Trainer(fast_dev_run=True, accelerator="cpu", logger=False, enable_progress_bar=False)
    trainer.fit(model, data)
    assert trainer.global_step == 1
    assert "test/loss" in trainer.test(model, data, verbose=False)[0]


def test_the_packages_are_imported_without_torch():
    code = (
        "import sys, datamodules, lightning_modules;"
        "print('torch' in sys.modules, datamodules.__all__[0], lightning_modules.Classifier.__name__)"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["False", "ImageDataModule", "Classifier"]
