"""Every experiment file composes, says where its values come from, and trains a batch."""

import os
import re
from functools import cache
from pathlib import Path

import pytest

from common.config.compose import check_config
from common.paths import ROOT
from datamodules.image_datamodule import ImageDataModule
from lightning_modules.build import build_classifier
from lightning_modules.stages.fit import train_stages
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
PAPER_001 = {
    f"karyogram_{name}"
    for name in (
        "vgg16_original",
        "inceptionv3_original",
        "vgg16",
        "inceptionv3",
        "vgg16_last1",
        "vgg16_last2",
        "inceptionv3_full",
    )
}
UNFROZEN = {
    f"karyogram_{network}{blocks}"
    for network in ("vgg16", "inceptionv3", "mobilenetv2", "resnet18")
    for blocks in ("", "_last1", "_last2", "_full")
}
NEWER = {f"karyogram_{network}" for network in ("convnext_tiny", "efficientnetv2_s", "vit")}
TASKS = sorted((ROOT / "conf" / "task").glob("*.yaml"))


def test_every_single_model_of_paper_004_is_an_experiment():
    assert len(PAPER_004) == 18
    assert set(PAPER_004) <= set(EXPERIMENTS)


def test_every_row_of_papers_002_and_003_is_an_experiment():
    assert len(PAPER_002 | PAPER_003) == 12
    assert set(EXPERIMENTS) >= PAPER_002 | PAPER_003


def test_every_row_of_paper_001_and_every_network_beside_it_is_an_experiment():
    assert len(PAPER_001) == 7
    assert set(EXPERIMENTS) >= PAPER_001 | UNFROZEN | NEWER


@cache
def smoke_size():
    return composed(["+profile=smoke"]).prepare.size


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
    if "Everything is ours" not in " ".join(header):
        assert unmarked(text) == []


@pytest.mark.parametrize("path", TASKS, ids=lambda path: path.stem)
def test_what_experiments_share_says_where_it_comes_from_too(path):
    assert unmarked(path.read_text()) == []


def unmarked(text):
    """Return the lines that set a value without saying whose it is."""
    lines = []
    for line in text.splitlines():
        opens_a_group = line.rstrip().endswith(":") or line.startswith(("#", "name:", "defaults:"))
        names_a_group = re.match(r"  - override /(task|data|model|unfreeze):", line)
        if line.strip() and not opens_a_group and not names_a_group and not re.search(r"# .*(paper \d|ours)", line):
            lines.append(line)
    return lines


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_it_trains_a_batch_of_every_stage(name, tmp_path, tmp_path_factory):
    home = tmp_path_factory.getbasetemp()
    source = composed([f"+experiment={name}"]).data.source
    size = [f"prepare.size={smoke_size()}", "prepare.augment_at=null"]
    short = ["trainer.max_epochs=1", "trainer.limit_train_batches=1", "trainer.limit_val_batches=1"]
    data = tiny_data(source, home / "tiny-data")
    config = small_config(tmp_path, *size, *short, f"cache_dir={home / 'shared-cache'}", experiment=name, data=data)
    datamodule = ImageDataModule.from_config(config, progress=False)
    datamodule.setup()
    model, _ = build_classifier(config, datamodule.manifest.classes, datamodule.plan.class_weights)
    stages = train_stages(model, datamodule, config, tmp_path / "run")
    assert [stage.name for stage in stages] == list(config.unfreeze.stages)
    assert all(stage.images_seen == config.loader.batch_size for stage in stages)


@pytest.mark.parametrize("blocks", ["", "_last1", "_last2", "_full"])
@pytest.mark.parametrize("network", ["mobilenetv2", "resnet18"])
def test_karyograms_take_the_real_weights(network, blocks):
    """ResNet-18's have their BatchNorm folded in and end at layer3: a wrong cut or mode is an error."""
    files = list(Path(os.environ.get("KARYOCYTE_WEIGHTS_DIR") or "/nowhere").glob(f"{network}*.safetensors"))
    if not files:
        pytest.skip(f"KARYOCYTE_WEIGHTS_DIR has no weights of {network}")
    config = check_config(composed([f"+experiment=karyogram_{network}{blocks}", f"weights={files[0]}"]))
    model, _ = build_classifier(config, ("normal", "abnormal"), None)
    assert model.head.logits.out_features == 1


@pytest.mark.parametrize("profile", ["smoke", "demo"])
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_profile_fits_every_experiment(name, profile):
    config = check_config(composed([f"+experiment={name}", f"+profile={profile}"]))
    assert config.name == name
    assert config.prepare.size >= (75 if "inceptionv3" in name else 72)
    if profile == "demo":
        assert config.split.test == "fold"
        assert drawn(config.data) == drawn_for(name)
        assert config.weights == "random"
        assert config.prepare.size == 96
        assert config.unfreeze.train == ("all",)


def drawn(data):
    return data.chromosomes.source if data.source == "composed_karyograms" else data.source


def drawn_for(name):
    """Experiments on chromosomes and karyograms are shown on drawn chromosomes, all others on drawn cells."""
    return "synthetic_chromosomes" if re.search("chromosomes|karyogram", name) else "synthetic"


@pytest.mark.parametrize("name", sorted(PAPER_002))
def test_the_cpu_profile_is_small_and_says_its_budget(name):
    config = check_config(composed([f"+experiment={name}", "+profile=cpu"]))
    assert 64 <= config.prepare.size <= 96
    assert config.trainer.max_images == 20_000
    assert config.callbacks.check_and_adjust.enabled


def test_small_overrides_are_all_known():
    check_config(composed(SMALL))
