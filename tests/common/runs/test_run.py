"""A run has one address, and its folder holds one run."""

import json
import subprocess
import sys

import pytest
import yaml

from common.errors import UserError
from common.runs.run import (
    check_run,
    facts_of,
    is_finished,
    locked,
    open_run,
    other_code,
    run_folder,
    run_identity,
    update_evaluation,
    write_status,
)
from tests.helpers.training import small_config

CONTENTS = {"data": "d" * 64, "weights": "random", "init_from": None}


def address(config, contents=CONTENTS):
    return run_folder(config, run_identity(config, contents))


def test_the_address_names_experiment_protocol_fold_and_seed(tmp_path):
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
def test_what_does_not_change_the_result_does_not_change_the_address(tmp_path, override):
    assert address(small_config(tmp_path)) == address(small_config(tmp_path, override))


@pytest.mark.parametrize(
    "override", ["prepare.clahe=true", "trainer.max_epochs=3", "optimizer=sgd", "split.seed=1", "model.cut=layer3"]
)
def test_what_changes_the_result_changes_the_address(tmp_path, override):
    assert address(small_config(tmp_path)).parent != address(small_config(tmp_path, override)).parent


def test_how_images_are_grouped_for_the_judgement_does_not_change_the_address(tmp_path):
    table = ["data=table", "data.positive_class=all"]
    plain, grouped = (small_config(tmp_path, *more, data=table) for more in ([], ["data.group_column=stain"]))
    assert grouped.data.group_column == "stain"
    assert run_identity(plain, CONTENTS) == run_identity(grouped, CONTENTS)
    assert "group_column" not in run_identity(plain, CONTENTS)["config"]["data"]  # runs of before it keep theirs


def test_the_content_of_data_and_weights_changes_the_address(tmp_path):
    config = small_config(tmp_path)
    for key in CONTENTS:
        assert address(config) != address(config, {**CONTENTS, key: "other"})


def test_a_folder_of_another_run_or_of_something_else_is_refused(tmp_path):
    config = small_config(tmp_path)
    identity = run_identity(config, CONTENTS)
    folder = tmp_path / "run"
    check_run(folder, config, identity)
    open_run(folder, config, identity, ["train.py"])
    check_run(folder, config, identity)  # the same run again: a resume
    assert json.loads((folder / "environment.json").read_text())["packages"]["timm"]
    with pytest.raises(UserError, match="another configuration"):
        check_run(folder, config, run_identity(config, {**CONTENTS, "data": "x"}))
    with pytest.raises(UserError, match="resume=never"):
        check_run(folder, config.model_copy(update={"resume": "never"}), identity)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.docx").write_text("precious")
    with pytest.raises(UserError, match="no run of Karyocyte"):
        check_run(foreign, config, identity)
    assert [path.name for path in foreign.iterdir()] == ["thesis.docx"]


def test_folds_share_the_configuration_that_pooling_compares_and_other_weights_do_not(tmp_path):
    def configuration(contents, *overrides):
        config = small_config(tmp_path, *overrides)
        return facts_of(config, run_identity(config, {**CONTENTS, **contents}))["config"]

    assert configuration({}) == configuration({"init_from": "x"}, "split.fold=1", "seed=3")
    assert configuration({}) != configuration({"weights": "other"})
    assert configuration({}) != configuration({}, "trainer.max_epochs=7")


def test_another_revision_of_the_code_is_said(tmp_path):
    config = small_config(tmp_path)
    open_run(tmp_path / "run", config, run_identity(config, CONTENTS), [])
    assert other_code(tmp_path / "run") == []
    path = tmp_path / "run" / "environment.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "revisions": ["0123456789ab"]}))
    assert "0123456789ab" in other_code(tmp_path / "run")[0]
    open_run(tmp_path / "run", config, run_identity(config, CONTENTS), [])  # continued by the present code
    assert len(json.loads(path.read_text())["revisions"]) == 2


def test_a_finished_run_takes_up_new_evaluation_settings_and_nothing_else(tmp_path):
    config = small_config(tmp_path)
    open_run(tmp_path / "run", config, run_identity(config, CONTENTS), [])
    before = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    update_evaluation(tmp_path / "run", small_config(tmp_path, "evaluation.resamples=77", "loader.workers=5"))
    after = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert after["evaluation"]["resamples"] == 77
    assert {**after, "evaluation": before["evaluation"]} == before


def test_status_says_when_a_run_is_finished(tmp_path):
    assert not is_finished(tmp_path)
    write_status(tmp_path, "running")
    assert not is_finished(tmp_path)
    write_status(tmp_path, "finished", best="checkpoints/1-head/best.ckpt")
    assert is_finished(tmp_path)


def test_a_second_process_is_kept_out_while_the_first_trains(tmp_path):
    code = f"from pathlib import Path\nfrom common.runs.run import locked\nwith locked(Path({str(tmp_path)!r})): pass"
    with locked(tmp_path):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "another process is training" in done.stderr
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
