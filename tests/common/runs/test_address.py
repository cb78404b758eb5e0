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
    ("override", "matters"),
    [
        ("data_dir=elsewhere", False),
        ("weights_dir=elsewhere", False),
        ("loader.workers=3", False),
        ("logger.csv=false", False),
        ("resume=never", False),
        ("trainer.accelerator=auto", False),
        ("prepare.clahe=true", True),
        ("trainer.max_epochs=3", True),
        ("optimizer=sgd", True),
        ("split.seed=1", True),
        ("model.cut=layer3", True),
    ],
)
def test_address_changes_with_keys_that_change_the_result_alone(tmp_path, override, matters):
    assert (address(small_config(tmp_path)) != address(small_config(tmp_path, override))) == matters


def test_keys_that_were_added_later_leave_the_addresses_of_earlier_runs(tmp_path):
    identity = run_identity(small_config(tmp_path), CONTENTS)["config"]
    assert set(identity["head"]) == {"layers", "logits"}
    assert set(identity["inference"]) == {"mirror", "mc_passes"}
    assert set(identity["loss"]) == {"label_smoothing"}
    assert identity["transform"].keys().isdisjoint({"batched", "scale", "uneven"})
    changed = small_config(tmp_path, "head.logits=null", "head.orientation=true", "inference.orientation=upright")
    identity = run_identity(changed, CONTENTS)["config"]
    assert identity["head"]["orientation"]
    assert identity["inference"]["orientation"] == "upright"


def test_the_rounding_of_a_papers_parts_matters_where_they_are_drawn_alone(tmp_path):
    words = ["data=karyograms", "data_dir=none"]
    for protocol, matters in (("image", False), ("paper", True)):
        up, down = (
            run_identity(small_config(tmp_path, *words, f"protocol={protocol}", *more, data=()), CONTENTS)
            for more in ([], ["data.paper_split.rounding=down"])
        )
        assert "rounding" not in down["config"]["data"]["paper_split"]
        assert (up != down) == matters


def test_group_column_is_no_part_of_the_identity(tmp_path):
    table = ["data=table", "data.positive_class=all"]
    plain, grouped = (small_config(tmp_path, *words, data=table) for words in ([], ["data.group_column=stain"]))
    assert grouped.data.group_column == "stain"
    assert run_identity(plain, CONTENTS) == run_identity(grouped, CONTENTS)


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


@pytest.mark.parametrize(("balance", "balanced"), [("none", False), ("weighted_sampling", True), ("paper", True)])
def test_predictions_tell_whether_the_classes_were_balanced(tmp_path, balance, balanced):
    config = small_config(tmp_path, f"balance={balance}", "transform.flips=true")
    assert run_facts(config, run_identity(config, CONTENTS))["balanced"] is balanced
