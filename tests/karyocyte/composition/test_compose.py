"""The effective configuration is the YAML; unknown keys, wrong values and wrong orders are errors."""

import pytest

from karyocyte.common.errors import UserError
from karyocyte.composition.compose import check_config, check_override_order, compose_config
from karyocyte.composition.named_files import check_files
from tests.helpers.sheets import composed_of
from tests.helpers.training import composed

WHOLE = ["data=karyograms", "transform=karyograms"]
UPRIGHT = ["data=chromosomes", "head.orientation=true"]


def error_of(config) -> str:
    with pytest.raises(UserError) as caught:
        check_config(config)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["name=../../evil"], "name"),
        (["output_dir="], "output_dir"),
        (["+unfreeze.stages={a/b: {lr: 1}}"], "unfreeze.stages"),
        (["data.source=synth"], "'synth'"),
        (["data.source=karyocyte.config.sources.FolderConfg"], "close to it: FolderConfig"),
        (
            ["data.source=karyocyte.config.sources.UserError"],
            "is no class below SourceConfig; the names are: CnmcConfig",
        ),
        (["data.source=datamodules.sources.cnmc"], "datamodules.sources has no such class"),
        (["data.source=.x"], "'.x' is none of cnmc, hem_all"),
        (["+cluster.gpus_per_node=null"], "cluster.gpus_per_node needs +cluster=slurm"),
        (["+cluster=local", "+cluster.gpus_per_node=null"], "cluster.gpus_per_node needs +cluster=slurm"),
        (["unfreeze.lr=inf"], "unfreeze.lr"),
        (["prepare.size=[64,32]"], "fit=square"),
        (["transform=none", "transform.flips=true", "balance=none"], "transform.probability=0"),
        (["prepare.augment_at=100"], "augment_at=100"),
        (["prepare={augment_at: 416, fit: canvas}"], "augment_at"),
        ([*UPRIGHT, "head.logits=1"], "head.logits=1"),
        ([*UPRIGHT, "transform.flips=true"], "transform.flips"),
        ([*UPRIGHT, "transform.rotate=91"], "transform.rotate=91"),
        ([*WHOLE, "prepare.fit=canvas", "prepare.augment_at=null"], "prepare.fit=canvas"),
        (["+experiment=karyogram_vgg16", "transform.stretch=0.1"], "transform.stretch"),
        (["evaluation.triage.vote_share=0.9"], "train with `inference.mc_passes=100`"),
        (["evaluation.triage.vote_share=0.5", "inference.mc_passes=100"], "vote_share"),
    ],
)
def test_wrong_values_and_those_that_contradict_one_another_are_named_in_one_line(overrides, words):
    assert words in error_of(composed(overrides))


@pytest.mark.parametrize(
    "override",
    ["transform.flips=true", "transform.rotate=5", "inference.mirror=true", "head.orientation=true", "balance=paper"],
)
def test_a_karyogram_is_not_turned_as_a_whole(override):
    key = override if override.startswith("balance") else override.partition("=")[0]
    for error in (error_of(composed([*WHOLE, override])), error_of(composed_of(override))):
        assert error.startswith(key)
        assert "`transform=karyograms`" in error


def test_the_name_of_the_primary_configuration_says_the_network():
    assert compose_config([]).recipe == "classifier"
    with pytest.raises(UserError, match="--config-name sorter: choose one of train"):
        compose_config([], "sorter")
    with pytest.raises(UserError, match="recipe: name the network by --config-name, one of train"):
        compose_config(["+recipe=sorter"])


def test_what_goes_together_is_valid():
    config = check_config(composed([*WHOLE, "transform.brightness=0.2", "transform.gamma=0.2"]))
    assert config.transform.model_dump().items() >= {"brightness": 0.2, "gamma": 0.2}.items()


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["data_dir=null"], "data_dir=<folder or zip>"),
        (["data_dir=absent"], "data_dir=absent"),
        (["data_dir=.", "init_from=absent"], "absent"),
        (["data=mnist", "data_dir=absent", "weights=random"], "absent"),
        (["data=composed_karyograms", "data_dir=null"], "data_dir"),
    ],
)
def test_files_of_a_run_must_exist(overrides, words):
    with pytest.raises(UserError, match=words):
        check_files(composed(overrides))


def test_downloads_and_drawn_images_need_no_folder(tmp_path, capsys):
    words = ["data=mnist", f"data_dir={tmp_path / 'new'}", "weights=random"]
    with pytest.raises(UserError, match="new"):
        check_files(composed(words))
    check_files(composed([*words, "data.download=true"]))
    check_files(composed(["data=synthetic_karyograms", "data_dir=null"]))
    check_files(composed(words), elsewhere=True)
    assert "does not exist on this machine" in capsys.readouterr().out
    assert not (tmp_path / "new").exists()


def test_profile_before_experiment_is_an_error():
    with pytest.raises(UserError, match=r"type `\+experiment=resnet50_features \+profile=smoke`"):
        check_override_order(["seed=1", "+profile=smoke", "+experiment=resnet50_features"])
    check_override_order(["+experiment=resnet50_features", "+profile=smoke"])


@pytest.mark.parametrize(
    ("overrides", "protocol", "logits", "background"),
    [
        (["data=folder"], "image", None, "border"),
        (["data=folder", "data.subject_regex='^(.+)_'"], "subject", None, "border"),
        (["data=table"], "image", None, "border"),
        (["data=table", "data.subject_column=patient"], "subject", None, "border"),
        (["data=folder", "protocol=paper", "head.logits=1", "prepare.background=detect"], "paper", 1, "detect"),
        (["data=cnmc"], "subject", 1, "black"),
    ],
)
def test_own_images_have_defaults_of_their_own(overrides, protocol, logits, background):
    config = compose_config([*overrides, "data_dir=x"])
    assert (config.protocol, config.head.logits, config.prepare.background) == (protocol, logits, background)
    assert config.unfreeze.deliver == ("last" if overrides == ["data=cnmc"] else "best")


@pytest.mark.parametrize("experiment", ["mobilenetv2_last7", "resnet50_cut_block5_d512_clahe", "scratch_cnn_d128"])
def test_an_experiment_keeps_its_stages_on_own_images(experiment):
    own, usual = (compose_config([f"+experiment={experiment}", *data, "data_dir=x"]) for data in (["data=folder"], []))
    assert own.unfreeze == usual.unfreeze
    assert (own.optimizer, own.scheduler, own.loader) == (usual.optimizer, usual.scheduler, usual.loader)


def test_a_canvas_is_refused_without_the_package_that_lays_chromosomes_on_it(monkeypatch):
    monkeypatch.setattr("karyocyte.config.data.entries", lambda kind: {})
    assert "make setup, or set prepare.fit=square" in error_of(composed(["prepare.fit=canvas"]))
