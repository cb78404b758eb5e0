"""Every experiment file composes, says where its values come from, and trains a batch."""

import re

import pytest

from karyocyte.common.paths import ROOT
from karyocyte.composition.compose import check_config
from karyocyte.runs.stages import batch_sizes
from karyocyte.workflows.training.train import prepare
from lightning_modules.callbacks.resume import ResumeCheckpoint
from lightning_modules.training.fit import StagedTraining
from tests.helpers.experiments import tiny_data
from tests.helpers.training import composed, small_config

EXPERIMENTS = sorted(path.stem for path in (ROOT / "conf" / "experiment").glob("*.yaml"))
# The experiments of paper 004 that train a single model: its ensembles join finished runs.
VARIANTS = {
    "scratch_cnn": "d256_dropout2 d256 d128 d256x2",
    "vgg16": "features finetune_last3 cut_block5_features cut_block5",
    "resnet50": "features finetune_last3 cut_block5_features cut_block5_d512_features cut_block5 cut_block5_d512",
    "mobilenetv2": "features last1 last7 cut",
}
PAPER_004 = {f"{network}_{variant}" for network, variants in VARIANTS.items() for variant in variants.split()}
PAPER_003 = {f"hem_all_cnn_{size}" for size in (32, 64, 256)}
OF_PAPER_002 = ("mnist", "cifar10", "chromosomes")
PAPER_002 = {f"{network}_{data}" for network in ("alexnet", "anet_c6", "vgg16") for data in OF_PAPER_002}
NETWORKS = "vgg16_original inceptionv3_original vgg16 inceptionv3 vgg16_last1 vgg16_last2 inceptionv3_full"
PAPER_001 = {f"karyogram_{name}" for name in NETWORKS.split()}
LAST_BLOCKS = ("", "_last1", "_last2", "_full")
UNFROZEN = {f"karyogram_{name}{blocks}" for name in ("vgg16", "inceptionv3") for blocks in LAST_BLOCKS}
FILES = [*(ROOT / "conf" / "task").glob("*.yaml"), *(ROOT / "conf" / "experiment").glob("*.yaml")]


def test_every_row_of_the_papers_and_every_network_beside_it_is_an_experiment():
    assert list(map(len, (PAPER_004, PAPER_002, PAPER_003, PAPER_001, UNFROZEN))) == [18, 9, 3, 7, 8]
    assert set(EXPERIMENTS) >= PAPER_004 | PAPER_002 | PAPER_003 | PAPER_001 | UNFROZEN


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_value_says_where_it_comes_from(path):
    """A value is the paper's or ours, and says so on its line; the header of an experiment names table and figure."""
    text = path.read_text()
    header = " ".join(line for line in text.splitlines() if line.startswith("#"))
    remedy = f"{path}: head with table or figure, `# paper 00N` or `# ours` per line; or head `# Everything is ours.`"
    assert path.parent.name == "task" or re.search(r"Paper 00\d, (\d|table)|Ours|is ours", header), remedy
    unmarked = []
    for line in text.splitlines():
        opens_a_group = line.rstrip().endswith(":") or line.startswith(("#", "name:", "defaults:"))
        names_a_group = re.match(r"  - (\w+$|(override )?/(task|data|model|unfreeze)[:/])", line)
        if line.strip() and not opens_a_group and not names_a_group and not re.search(r"# .*(paper \d|ours)", line):
            unmarked.append(line)
    assert unmarked == [] or "Everything is ours" in header, remedy


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_it_trains_a_batch_of_every_stage(name, tmp_path, tmp_path_factory, monkeypatch):
    home = tmp_path_factory.getbasetemp()
    chosen = composed([f"+experiment={name}"])
    size = [f"prepare.size={80 if re.search('inception|alexnet', name) else 64}", "prepare.augment_at=null"]
    if chosen.model.name.startswith("vgg"):
        size.append("+model.args.mlp_ratio=0.02")  # of a hundred million weights before the head, which take seconds
    of_one = ("max_epochs", "limit_train_batches", "accumulate_grad_batches", "limit_val_batches")
    short = ["trainer.max_images=null", *(f"trainer.{name}=1" for name in of_one)]
    data = tiny_data(chosen.data.source, home / "tiny-data")
    config = small_config(tmp_path, *size, *short, f"cache_dir={home / 'shared-cache'}", experiment=name, data=data)
    # The state for a resume, whose writing takes a third of the time, has tests of its own.
    monkeypatch.setattr(ResumeCheckpoint, "save", lambda *_: None)
    datamodule, model, _ = prepare(config)
    stages = StagedTraining(model, datamodule, config, tmp_path / "run").train()
    assert [stage.name for stage in stages] == list(config.unfreeze.stages)
    first = batch_sizes(datamodule.train_dataloader(), 1)  # batch_size images, or as many as its cells have
    assert all(stage.images_seen == sum(first) for stage in stages)


RESNET50 = sorted(name for name in PAPER_004 if name.startswith("resnet50"))


@pytest.mark.parametrize("name", RESNET50)
def test_paper_004_means_resnet50_as_published_and_timms_is_an_option(name):
    config = composed([f"+experiment={name}"])
    assert (config.model.name, config.weights) == ("resnet50_v1", "keras")
    option = check_config(composed([f"+experiment={name}", "model=resnet50"]))
    assert (option.model.name, option.weights, option.model.cut) == ("resnet50", "resnet50.tv_in1k", config.model.cut)


@pytest.mark.parametrize("profile", ["smoke", "demo"])
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_profile_fits_every_experiment(name, profile):
    config = check_config(composed([f"+experiment={name}", f"+profile={profile}"]))
    assert config.name == name
    assert config.prepare.size >= (75 if "inceptionv3" in name else 72)
    if profile == "demo":
        # Experiments on chromosomes and karyograms are shown on synthetic chromosomes, all others on synthetic cells.
        drawn = "synthetic_chromosomes" if re.search("chromosomes|karyogram|adapt", name) else "synthetic"
        assert getattr(config.data, "chromosomes", config.data).source == drawn
        assert (config.split.test, config.weights, config.prepare.size) == ("fold", "random", 96)
        assert config.unfreeze.train == ("all",)
