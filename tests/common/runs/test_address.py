"""The address of a run depends on what determines its result, and on nothing else."""

import pytest

from common.runs.address import run_facts, run_folder, run_identity
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
    "override",
    ["data_dir=elsewhere", "loader.workers=3", "logger.csv=false", "resume=never", "trainer.accelerator=auto"],
)
def test_address_ignores_keys_without_effect_on_the_result(tmp_path, override):
    assert address(small_config(tmp_path)) == address(small_config(tmp_path, override))


@pytest.mark.parametrize(
    "override", ["prepare.clahe=true", "trainer.max_epochs=3", "optimizer=sgd", "split.seed=1", "model.cut=layer3"]
)
def test_address_changes_with_keys_that_change_the_result(tmp_path, override):
    assert address(small_config(tmp_path)).parent != address(small_config(tmp_path, override)).parent


def test_group_column_is_no_part_of_the_identity(tmp_path):
    table = ["data=table", "data.positive_class=all"]
    grouped = small_config(tmp_path, "data.group_column=stain", data=table)
    assert grouped.data.group_column == "stain"
    assert run_identity(small_config(tmp_path, data=table), CONTENTS) == run_identity(grouped, CONTENTS)
    assert "group_column" not in run_identity(grouped, CONTENTS)["config"]["data"]


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
