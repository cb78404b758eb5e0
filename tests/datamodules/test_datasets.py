"""Data modules built from keyword arguments, as in a notebook."""

import subprocess
import sys
from inspect import signature

import pytest
import torch
from omegaconf import OmegaConf
from pytorch_lightning import Callback

import datamodules
import lightning_modules
from datamodules.arguments import argument_places
from datamodules.image_datamodule import ImageDataModule
from karyocyte.common.errors import UserError
from karyocyte.common.paths import ROOT
from karyocyte.composition.compose import compose_config, compose_overrides
from karyocyte.config.sources import SyntheticConfig
from lightning_modules.build.create import create_classifier
from tests.lightning_modules.tiny import quiet_trainer

MODULES = {
    "cnmc": datamodules.CNMCDataModule,
    "hem_all": datamodules.HemAllDataModule,
    "chromosomes": datamodules.ChromosomeDataModule,
    "karyograms": datamodules.KaryogramDataModule,
    "mnist": datamodules.MNISTDataModule,
    "cifar10": datamodules.CIFAR10DataModule,
    "folder": datamodules.FolderDataModule,
    "table": datamodules.TableDataModule,
}
DRAWN = {"images": 40, "subjects": 10, "prepare": {"size": 32}, "split": {"near_duplicates": "off"}}


def drawn_cells(cache_dir, **keys):
    return ImageDataModule("synthetic", **DRAWN, cache_dir=cache_dir, progress=False, **keys)


@pytest.mark.parametrize("source", MODULES)
def test_in_python_a_data_set_has_the_settings_of_train_py(source):
    assert MODULES[source]("images").config == compose_config([f"data={source}", "data_dir=images"])


@pytest.mark.parametrize("source", MODULES)
def test_each_default_in_a_signature_is_that_of_the_configuration(source):
    composed = compose_overrides([f"data={source}"])
    places = argument_places(composed)
    for name, argument in signature(MODULES[source].__init__).parameters.items():
        if name in ("self", "data_dir", "others"):
            continue
        if name in ("balance", "transform"):
            same = compose_overrides([f"data={source}", f"{name}={argument.default}"])
            assert same[name] == composed[name]
        elif argument.default is not None:
            assert argument.default == OmegaConf.select(composed, places[name]), name


@pytest.mark.parametrize(
    ("keys", "place", "value"),
    [
        ({"clahe": True}, "prepare.clahe", True),
        ({"fold": 2}, "split.fold", 2),
        ({"batch_size": 7}, "loader.batch_size", 7),
        ({"prepare": {"clahe": True}}, "prepare.clahe", True),
        ({"clahe": {"clip_limit": 3}}, "prepare.clahe_clip_limit", 3),
        ({"on_broken": "skip"}, "data.on_broken", "skip"),
        ({"seed": 3}, "seed", 3),
    ],
)
def test_every_key_of_the_images_is_an_argument(keys, place, value):
    config = datamodules.CNMCDataModule("images", **keys).config
    assert OmegaConf.select(OmegaConf.create(config.model_dump(mode="json")), place) == value


@pytest.mark.parametrize(
    ("wrong", "near"),
    [({"clah": True}, "clahe"), ({"batchsize": 8}, "batch_size"), ({"prepare": {"clah": True}}, "clahe")],
)
def test_an_unknown_argument_is_an_error_that_names_the_near_one(wrong, near):
    with pytest.raises(UserError, match=near):
        datamodules.CNMCDataModule("images", **wrong)


def test_settings_of_a_source_are_an_argument():
    config = ImageDataModule(SyntheticConfig(source="synthetic", size=64, images=30), size=32).config
    assert (config.data.size, config.data.images, config.prepare.size) == (64, 30, 32)


def test_cells_are_cropped_and_balanced_as_in_paper_004_and_chromosomes_may_lie_in_a_folder_per_class():
    assert datamodules.ChromosomeDataModule("images").config.data.file == "labels.csv"
    assert datamodules.ChromosomeDataModule("images", file=None).config.data.file is None
    config = datamodules.CNMCDataModule(data_dir="images").config
    assert (config.prepare.crop, config.prepare.clahe, config.balance.name) == (True, False, "paper")
    assert config.transform.flips
    assert config.transform.apply_to == "copies"


def test_setup_needs_no_order_and_runs_once(tmp_path):
    data = drawn_cells(tmp_path)
    assert len(data.manifest.frame) == len(data.parts) == 40
    parts = data.parts
    data.setup("fit")
    data.prepare_data()
    data.setup("test")
    assert data.parts is parts
    assert len(data.images) == 40


@pytest.mark.parametrize("workers", [0, 1])
def test_outside_a_trainer_a_batch_is_what_the_model_is_given_within(tmp_path, workers):
    words = {"transform": {"rotate": 20.0}, "balance": "none", "batch_size": 4, "workers": workers}
    data = drawn_cells(tmp_path, **words)
    given = []

    class Watch(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            given.append(batch)

        on_validation_batch_start = on_train_batch_start

    before = [next(iter(data.train_dataloader())), next(iter(data.val_dataloader()))]
    model = create_classifier("resnet18", 2, cut="layer1", image_size=32)
    trainer = quiet_trainer(Watch(), fast_dev_run=True)
    trainer.fit(model, data)
    after = [next(iter(data.train_dataloader())), next(iter(data.val_dataloader()))]
    for one, other, expected in zip(before, after, given, strict=True):
        assert one["image"].dtype == torch.float32
        assert 0 <= one["image"].min() < one["image"].max() <= 1
        for batch in (one, other):
            assert batch.keys() == expected.keys()
            assert all(torch.equal(batch[name], expected[name]) for name in batch)
    assert "test/loss" in trainer.test(model, data.test_dataloader(), verbose=False)[0]


def test_setup_plans_an_epoch_for_a_fit_alone(tmp_path):
    data = drawn_cells(tmp_path)
    for stage in ("test", "predict", "validate"):
        data.setup(stage)
        assert "plan" not in vars(data)
    assert len(next(iter(data.test_dataloader()))["label"]) == len(data.rows("test"))
    data.setup("fit")
    assert "plan" in vars(data)


def test_the_packages_are_imported_without_torch():
    code = "import sys, datamodules, lightning_modules; print('torch' in sys.modules, datamodules.__all__[0])"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["False", "ImageDataModule"]
    assert lightning_modules.Classifier.__name__ == "Classifier"  # with torch, as in any process
