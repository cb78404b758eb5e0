"""Every experiment file composes, says where its values come from, and trains a batch."""

import re

import pytest

from common.config import check_config
from common.runs import ROOT
from datamodules.image_datamodule import ImageDataModule
from lightning_modules.building import build_classifier
from lightning_modules.staged_training import train_stages
from tests.helpers.experiments import tiny_data
from tests.helpers.training import SMALL, composed, small_config

EXPERIMENTS = sorted(path.stem for path in (ROOT / "conf" / "experiment").glob("*.yaml"))
# One row per experiment of paper 004 that trains a single model (the ensembles join finished runs).
PAPER_004 = (
    "scratch_cnn_d256_dropout2",
    "scratch_cnn_d256",
    "scratch_cnn_d128",
    "scratch_cnn_d256x2",
    "vgg16_features",
    "vgg16_finetune_last3",
    "vgg16_cut_block5_features",
    "vgg16_cut_block5",
    "resnet50_features",
    "resnet50_finetune_last3",
    "resnet50_cut_block5_features",
    "resnet50_cut_block5_d512_features",
    "resnet50_cut_block5",
    "resnet50_cut_block5_d512",
    "mobilenetv2_features",
    "mobilenetv2_last1",
    "mobilenetv2_last7",
    "mobilenetv2_cut",
)
PAPER_002 = {
    f"{network}_{data}" for network in ("alexnet", "anet_c6", "vgg16") for data in ("mnist", "cifar10", "chromosomes")
}
PAPER_003 = {f"hem_all_cnn_{size}" for size in (32, 64, 256)}


def test_every_single_model_of_paper_004_is_an_experiment():
    assert len(PAPER_004) == 18
    assert set(PAPER_004) <= set(EXPERIMENTS)


def test_every_row_of_papers_002_and_003_is_an_experiment():
    assert len(PAPER_002 | PAPER_003) == 12
    assert set(EXPERIMENTS) >= PAPER_002 | PAPER_003


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_it_composes_and_bears_its_file_name(name):
    config = check_config(composed([f"+experiment={name}"]))
    assert config.name == name


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_value_says_where_it_comes_from(name):
    """A value is the paper's or ours, and says so on its line; the header names the table and the figure."""
    text = (ROOT / "conf" / "experiment" / f"{name}.yaml").read_text()
    header = [line for line in text.splitlines() if line.startswith("#")]
    assert re.search(r"Paper 00\d, (\d|table)|Ours|is ours", " ".join(header))
    if "Everything is ours" in " ".join(header):
        return
    for line in text.splitlines():
        opens_a_group = line.rstrip().endswith(":") or line.startswith(("#", "name:", "defaults:"))
        names_a_group = "override /data" in line or "override /model" in line or "override /unfreeze" in line
        if line.strip() and not opens_a_group and not names_a_group:
            assert re.search(r"# .*(paper \d|ours)", line), f"{name}: {line}"


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_it_trains_a_batch_of_every_stage(name, tmp_path, tmp_path_factory):
    home = tmp_path_factory.getbasetemp()
    source = composed([f"+experiment={name}"]).data.source
    size = f"prepare.size={composed(['+profile=smoke']).prepare.size}"
    short = ["trainer.max_epochs=1", "trainer.limit_train_batches=1", "trainer.limit_val_batches=1"]
    data = tiny_data(source, home / "tiny-data")
    config = small_config(tmp_path, size, *short, f"cache_dir={home / 'shared-cache'}", experiment=name, data=data)
    datamodule = ImageDataModule(config, progress=False)
    datamodule.inspect()
    datamodule.prepare()
    model, _ = build_classifier(config, datamodule.manifest.classes, datamodule.plan.class_weights)
    stages = train_stages(model, datamodule, config, tmp_path / "run")
    assert [stage.name for stage in stages] == list(config.unfreeze.stages)
    assert all(stage.images_seen == config.loader.batch_size for stage in stages)


@pytest.mark.parametrize("profile", ["smoke", "demo"])
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_profile_fits_every_experiment(name, profile):
    config = check_config(composed([f"+experiment={name}", f"+profile={profile}"]))
    assert config.name == name
    if profile == "demo":
        assert config.split.test == "fold"
        assert config.data.source == "synthetic"
        assert config.weights == "random"
        assert config.prepare.size == 96


@pytest.mark.parametrize("name", sorted(PAPER_002))
def test_the_cpu_profile_is_small_and_says_its_budget(name):
    config = check_config(composed([f"+experiment={name}", "+profile=cpu"]))
    assert 64 <= config.prepare.size <= 96
    assert config.trainer.max_images == 20_000
    assert config.callbacks.check_and_adjust.enabled


def test_small_overrides_are_all_known():
    check_config(composed(SMALL))
