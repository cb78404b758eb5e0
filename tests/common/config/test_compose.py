"""The effective configuration is the YAML; unknown keys, wrong values and wrong orders are errors."""

import shutil

import pytest
from hydra import compose, initialize_config_dir

from common.config.compose import check_config, check_override_order, compose_config
from common.config.rules import check_files
from common.errors import UserError
from common.paths import CONF
from tests.helpers.sheets import composed_of
from tests.helpers.training import composed

WHOLE = ["data=karyograms", "transform=karyograms"]


def test_the_default_composition_is_valid():
    config = compose_config([])
    assert config.model.name == "resnet50"
    assert config.weights == "resnet50.tv_in1k"


def test_a_misspelt_key_in_a_yaml_file_is_an_error(tmp_path):
    """Hydra accepts it; the schema must not."""
    conf = shutil.copytree(CONF, tmp_path / "conf")
    (conf / "experiment" / "planted.yaml").write_text("# @package _global_\ntrainer: {max_epoch: 3}\n")
    with initialize_config_dir(str(conf), version_base="1.3"):
        planted = compose("train", ["+experiment=planted"])
    with pytest.raises(UserError, match=r"trainer\.max_epoch.*trainer\.max_epochs"):
        check_config(planted)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("seed=-1", "seed"),
        ("protocol=subjects", "subject"),
        ("split.fold=-1", "split.fold"),
        ("trainer.max_epochs=none", "trainer.max_epochs"),
        ("trainer.limit_val_batches=0.0", "trainer.limit_val_batches"),
        ("trainer.limit_train_batches=2.5", "trainer.limit_train_batches"),
        ("name=../../evil", "name"),
        ("+unfreeze.stages={a/b: {lr: 1}}", "unfreeze.stages"),
        ("data.source=synth", "'synth'"),
        ("scheduler.name=one_cycle", "scheduler.warmup"),
        ("prepare.interpolation=cubic", "bicubic"),
        ("balance=paper", "transform"),
        ("loss.label_smoothing=0.1", "head.logits"),
        ("weights=null", "weights"),
        ("prepare.size=[4,4]", "prepare.size:"),
        ("prepare.size=[64,32]", "fit=square"),
        ("prepare.augment_at=100", "augment_at=100"),
        ("prepare={augment_at: 416, fit: canvas}", "augment_at"),
        ("prepare={compact: true, fit: canvas}", "compact"),
        ("transform.within_places.rotate=5", "data.source=cnmc"),
    ],
)
def test_a_wrong_value_is_named_in_one_line(override, words):
    with pytest.raises(UserError) as caught:
        check_config(composed([override]))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "override",
    [
        "transform.flips=true",
        "transform.rotations=true",
        "transform.mirror=true",
        "transform.rotate=5",
        "transform.bend=0.1",
        "inference.mirror=true",
        "balance=paper",
        "balance=hem_all",
    ],
)
def test_a_karyogram_is_not_turned_as_a_whole(override):
    pictures, sheets = composed([*WHOLE, override]), composed_of(override)
    for config, instead in ((pictures, "transform=karyograms"), (sheets, "transform.within_places")):
        with pytest.raises(UserError, match=f"use {instead}") as caught:
            check_config(config)
        assert str(caught.value).startswith(override.removesuffix("=true").removesuffix("=5").removesuffix("=0.1"))


def test_a_karyogram_is_not_laid_on_a_canvas():
    for config in (composed([*WHOLE, "prepare.fit=canvas"]), composed_of("prepare.fit=canvas")):
        with pytest.raises(UserError, match=r"prepare\.fit=canvas"):
            check_config(config)


@pytest.mark.parametrize("key", ["stretch", "shift"])
def test_a_sheet_is_not_moved(key):
    with pytest.raises(UserError, match=rf"^transform\.{key}"):
        check_config(composed(["+experiment=karyogram_vgg16", f"transform.{key}=0.1"]))


@pytest.mark.parametrize("key", ["contrast", "gamma"])
def test_the_light_of_a_karyogram_may_change(key):
    config = check_config(composed([*WHOLE, f"transform.{key}=0.2"]))
    assert getattr(config.transform, key) == 0.2


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        (["prepare.compact=true"], "prepare.compact"),
        (["prepare.fit=square"], "prepare.fit=stretch"),
        (["prepare.crop=true"], "prepare.crop=false"),
    ],
)
def test_preparation_may_not_move_chromosomes_from_their_places(overrides, key):
    within = ["transform=karyograms_within_places"]
    assert check_config(composed_of(*within)).transform.within_places.mirror
    with pytest.raises(UserError, match=key):
        check_config(composed_of(*within, *overrides))


def test_places_are_unknown_in_pictures_of_whole_karyograms():
    with pytest.raises(UserError, match="data=composed_karyograms"):
        check_config(composed(["data=karyograms", "transform=karyograms_within_places"]))


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("data_dir=null", "data_dir=<folder or zip>"),
        ("data_dir=absent", "data_dir=absent"),
        ("weights=absent.safetensors", "weights=absent.safetensors"),
        ("init_from=absent", "absent"),
    ],
)
def test_files_of_a_run_must_exist(tmp_path, override, words):
    with pytest.raises(UserError, match=words):
        check_files(composed([f"data_dir={tmp_path}", override]))


def test_a_download_makes_its_folder():
    absent = ["data=mnist", "data_dir=absent", "weights=random"]
    with pytest.raises(UserError, match="absent"):
        check_files(composed(absent))
    check_files(composed([*absent, "data.download=true"]))


def test_drawn_images_need_no_files():
    with pytest.raises(UserError, match="data_dir"):
        check_files(composed(["data=composed_karyograms", "data_dir=null"]))
    check_files(composed(["data=synthetic_karyograms", "data_dir=null"]))


def test_a_configuration_is_frozen():
    config = check_config(composed([]))
    with pytest.raises(ValueError, match="frozen"):
        config.trainer.max_epochs = 3


def test_profile_before_experiment_is_an_error():
    with pytest.raises(UserError, match=r"\+experiment=resnet50_features \+profile=smoke"):
        check_override_order(["seed=1", "+profile=smoke", "+experiment=resnet50_features"])
    check_override_order(["+experiment=resnet50_features", "+profile=smoke"])
    check_override_order(["+profile=smoke"])
