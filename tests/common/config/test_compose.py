"""The effective configuration is the YAML: unknown keys, wrong values and wrong orders are refused by name."""

import shutil

import pytest
from hydra import compose, initialize_config_dir

from common.config.compose import check_config, check_override_order
from common.config.explain import explain_composition
from common.errors import UserError
from common.paths import ROOT
from tests.helpers.sheets import composed_of
from tests.helpers.training import composed


def test_the_default_composition_is_valid():
    config = check_config(composed([]))
    assert config.model.name == "resnet50"
    assert config.weights == "resnet50.tv_in1k"


def test_a_typo_planted_in_a_yaml_file_is_refused_with_the_right_key(tmp_path):
    """Hydra lets a misspelt key in a file pass; the schema must not."""
    conf = shutil.copytree(ROOT / "conf", tmp_path / "conf")
    (conf / "experiment" / "planted.yaml").write_text("# @package _global_\ntrainer: {max_epoch: 3}\n")
    with initialize_config_dir(str(conf), version_base="1.3"):
        planted = compose("train", ["+experiment=planted"])
    with pytest.raises(UserError, match=r"unknown key trainer\.max_epoch: did you mean trainer\.max_epochs"):
        check_config(planted)


@pytest.mark.parametrize(
    ("override", "right"),
    [
        ("+optimiser.name=Adam", "optimizer"),
        ("+data.positive_clas=all", "data.positive_class"),
        ("+unfreeze.stages.head.learning_rate=1", "unfreeze.stages.head.lr"),
        ("+callbacks.early_stopping.patient=3", "callbacks.early_stopping.patience"),
    ],
)
def test_an_unknown_key_names_the_nearest_right_one(override, right):
    with pytest.raises(UserError, match="unknown key") as caught:
        check_config(composed([override]))
    assert right in str(caught.value)
    assert "\n" not in str(caught.value)


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
        ("data.source=synth", "'synth' is none of 'cnmc', 'folder'"),
        ("+experimnt=resnet50_features", "+experiment"),
        ("scheduler.name=one_cycle", "scheduler.warmup"),
        ("prepare.interpolation=cubic", "bicubic"),
        ("balance=paper", "transform"),
        ("loss.label_smoothing=0.1", "head.logits"),
        ("weights=null", "weights"),
        ("prepare.size=[4,4]", "prepare.size:"),
        ("prepare.augment_at=100", "augment_at=100 is smaller than size"),
        ("prepare={augment_at: 416, fit: canvas}", "leave it null"),
        ("prepare={compact: true, fit: canvas}", "compact closes the gaps of whole karyograms"),
        ("transform.within_places.rotate=5", "data.source=cnmc: the place of a chromosome exists in karyograms alone"),
    ],
)
def test_a_wrong_value_is_named(override, words):
    with pytest.raises(UserError) as caught:
        check_config(composed([override]))
    assert words in str(caught.value)


WHOLE = ["data=karyograms", "transform=karyograms"]


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
        with pytest.raises(UserError, match="place of each chromosome carries meaning") as caught:
            check_config(config)
        assert str(caught.value).startswith(override.removesuffix("=true").removesuffix("=5").removesuffix("=0.1"))
        assert f"use {instead}" in str(caught.value)


def test_a_karyogram_is_not_taken_for_a_chromosome_and_turned_upright():
    for config in (composed([*WHOLE, "prepare.fit=canvas"]), composed_of("prepare.fit=canvas")):
        with pytest.raises(UserError, match=r"^prepare.fit=canvas .* turns it upright, .* set prepare.fit=stretch"):
            check_config(config)


def test_a_known_key_that_no_file_has_is_said_to_be_added():
    said = r"data.subject_regex is in no file of conf/: add it as \+data.subject_regex="
    with pytest.raises(UserError, match=said), explain_composition():
        composed(["data=cnmc", "data.subject_regex=x"])


@pytest.mark.parametrize("override", ["stretch=0.1", "shift=0.05"])
def test_nothing_puts_black_borders_around_a_sheet(override):
    with pytest.raises(UserError, match=r"^transform\.(stretch|shift) would lay black borders"):
        check_config(composed(["+experiment=karyogram_vgg16", f"transform.{override}"]))


@pytest.mark.parametrize("key", ["contrast", "gamma"])
def test_a_karyogram_may_be_lit_otherwise(key):
    config = check_config(composed([*WHOLE, f"transform.{key}=0.2"]))
    assert getattr(config.transform, key) == 0.2


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["prepare.compact=true"], "set data.sheet.pair_gap and data.sheet.row_gap instead"),
        (["prepare.fit=square"], "needs prepare.fit=stretch and prepare.crop=false"),
        (["prepare.crop=true"], "needs prepare.fit=stretch and prepare.crop=false"),
    ],
)
def test_places_must_stay_where_they_are_known_to_be(overrides, words):
    within = ["transform=karyograms_within_places"]
    assert check_config(composed_of(*within)).transform.within_places.mirror
    with pytest.raises(UserError, match=words):
        check_config(composed_of(*within, *overrides))


def test_in_pictures_of_whole_karyograms_the_places_are_not_known():
    with pytest.raises(UserError, match="is not known in pictures of whole karyograms: use data=composed_karyograms"):
        check_config(composed(["data=karyograms", "transform=karyograms_within_places"]))


def test_a_fault_of_a_whole_group_does_not_print_the_group():
    with pytest.raises(UserError, match="fit=square makes square images") as caught:
        check_config(composed(["prepare.size=[64,32]"]))
    assert "found" not in str(caught.value)


def test_nothing_mutates_a_configuration():
    config = check_config(composed([]))
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 3
    with pytest.raises(ValueError, match="frozen"):
        config.trainer.max_epochs = 3


def test_profile_before_experiment_is_refused_and_after_it_is_not():
    with pytest.raises(UserError, match=r"type `\+experiment=resnet50_features \+profile=smoke`"):
        check_override_order(["seed=1", "+profile=smoke", "+experiment=resnet50_features"])
    check_override_order(["+experiment=resnet50_features", "+profile=smoke"])
    check_override_order(["+profile=smoke"])
