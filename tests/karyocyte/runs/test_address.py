"""The address of a run depends on what determines its result, and on nothing else."""

import pytest

from karyocyte.runs.address import run_facts, run_folder, run_identity
from tests.helpers.training import small_config

CONTENTS = {"data": "d" * 64, "weights": "random", "init_from": None}


def address(config, contents=CONTENTS):
    return run_folder(config, run_identity(config, contents))


def test_address_names_experiment_protocol_fold_and_seed(tmp_path):
    config = small_config(tmp_path, "split.fold=2", "seed=7", "protocol=image", experiment="resnet18_cut_block5")
    folder = address(config)
    assert folder.name == "seed=7"
    assert folder.parent.name.startswith("image-fold2-")
    assert len(folder.parent.name.removeprefix("image-fold2-")) == 8
    assert folder.parent.parent.name == "resnet18_cut_block5"


@pytest.mark.parametrize(
    ("override", "matters"),
    [
        ("data_dir=elsewhere", False), ("loader.workers=3", False), ("logger.tensorboard=false", False),
        ("trainer.accelerator=auto", False), ("prepare.clahe=true", True), ("optimizer=sgd", True),
        ("model.cut=layer3", True),
    ],
)  # fmt: skip
def test_address_changes_with_keys_that_change_the_result_alone(tmp_path, override, matters):
    assert (address(small_config(tmp_path)) != address(small_config(tmp_path, override))) == matters


def test_classes_are_known_by_their_last_names_so_that_modules_may_move(tmp_path):
    def with_loss(target):
        return address(small_config(tmp_path, f"loss._target_={target}", "+loss.gamma=2.0"))

    assert with_loss("losses.Focal") == with_loss("my_package.losses.Focal")
    assert with_loss("losses.Focal") != with_loss("losses.Poly")
    identity = run_identity(small_config(tmp_path), CONTENTS)
    assert identity["config"]["callbacks"]["averaging"]["_target_"] == "EMA"


def test_address_changes_with_the_content_of_data_and_weights(tmp_path):
    config = small_config(tmp_path)
    for key in CONTENTS:
        assert address(config) != address(config, {**CONTENTS, key: "other"})


def test_folds_share_the_hash_of_their_configuration(tmp_path):
    def configuration(contents, *overrides):
        config = small_config(tmp_path, *overrides)
        return run_facts(config, run_identity(config, {**CONTENTS, **contents}))["config"]

    assert configuration({}) == configuration({"init_from": "x"}, "split.fold=1", "seed=3")
    assert configuration({}) != configuration({"weights": "other"})
    assert configuration({}) != configuration({}, "trainer.max_epochs=7")


@pytest.mark.parametrize(("balance", "balanced"), [("none", False), ("weighted_sampling", True)])
def test_predictions_tell_whether_the_classes_were_balanced(tmp_path, balance, balanced):
    config = small_config(tmp_path, f"balance={balance}")
    assert run_facts(config, run_identity(config, CONTENTS))["balanced"] is balanced
