"""The address of a run depends on what determines its result, and on nothing else."""

import shutil
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from karyocyte.common.errors import UserError
from karyocyte.common.runs.address import run_facts, run_folder, run_identity
from karyocyte.common.runs.files import RunFile
from karyocyte.common.runs.run import Run
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


@pytest.fixture
def old_run(tmp_path):
    """The configuration of a run of revision 1ac0f92."""
    shutil.copy(Path(__file__).with_name("config_1ac0f92.yaml"), tmp_path / RunFile.CONFIG)
    return Run(tmp_path)


def test_a_run_of_older_code_is_read_and_keeps_its_address(old_run):
    contents = {
        "data": "0e640919ebe59ab9cc5b748d2b307da590f60dc32072927db597e3e1e33c0bf7",
        "weights": "b1d68548f9462dcce505fa66c69c4468af9be587da7298face8b245bf2443c19",
        "init_from": None,
    }
    assert address(old_run.config, contents) == Path("outputs/cells/subject-fold0-28939ecb/seed=0")
    assert "calibration_bins" not in old_run.raw_config["evaluation"]


def test_a_removed_key_with_an_effect_is_one_error(old_run):
    values = old_run.raw_config
    old_run.write_raw_config({**values, "context": {"enabled": True}})
    with pytest.raises(UserError, match="written by other code .*context is no key any more.*train it again"):
        _ = old_run.config
    old_run.write_raw_config({**values, "transform": {**values["transform"], "contrast": 0.3}})
    assert old_run.config.transform.brightness == 0.3


@pytest.mark.parametrize(
    ("key", "value", "now"),
    [
        ("trainer.compile", True, None), ("logger.csv", False, None), ("evaluation.correction", "fdr_bh", None),
        ("evaluation.interval", "bca", "logit_t"), ("evaluation.interval", "expanded_bca", "logit_t"),
        ("evaluation.interval", "percentile", "percentile"), ("evaluation.assignment.costs", "validation", None),
        ("trainer.strategy", "ddp", None),
    ],
)  # fmt: skip
def test_old_values_that_changed_no_weights_are_dropped_or_replaced(old_run, key, value, now):
    values = OmegaConf.create(old_run.raw_config)
    OmegaConf.update(values, key, value)
    old_run.write_raw_config(OmegaConf.to_container(values))
    assert OmegaConf.select(OmegaConf.create(old_run.config.model_dump(mode="json")), key) == now


def test_keys_that_were_added_later_matter_where_they_differ(tmp_path):
    identity = run_identity(small_config(tmp_path), CONTENTS)["config"]
    assert set(identity["head"]) == {"layers", "logits"}
    assert set(identity["inference"]) == {"mirror", "mc_passes"}
    assert "pretrained" not in identity
    changed = small_config(tmp_path, "head.logits=null", "head.orientation=true", "pretrained.missing=random")
    identity = run_identity(changed, CONTENTS)["config"]
    assert identity["head"]["orientation"]
    assert identity["pretrained"] == {"missing": "random"}


def test_the_rounding_of_a_papers_parts_matters_where_they_are_drawn_alone(tmp_path):
    words = ["data=karyograms", "data_dir=none"]
    for protocol, matters in (("image", False), ("paper", True)):
        up, down = (
            run_identity(small_config(tmp_path, *words, f"protocol={protocol}", *more, data=()), CONTENTS)
            for more in ([], ["data.paper_split.rounding=down"])
        )
        assert "rounding" not in down["config"]["data"]["paper_split"]
        assert (up != down) == matters


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
    config = small_config(tmp_path, f"balance={balance}", "transform.flips=true")
    assert run_facts(config, run_identity(config, CONTENTS))["balanced"] is balanced
