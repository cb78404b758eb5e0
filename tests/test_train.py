"""The command line, as a user types it: what it writes, what it prints, and how its errors read."""

import json
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

import train
from common.config.overrides import quote_path
from common.paths import ROOT
from common.predictions import read_predictions
from common.runs.run import Run
from common.sweeps.jobs import command_line
from tests.helpers.training import SMALL, command

FILES = (
    "config.yaml",
    "confusion_matrix.png",
    "data.json",
    "environment.json",
    "model.json",
    "examples.png",
    "identity.json",
    "leaks.json",
    "learning_curves.png",
    "metrics.json",
    "predictions.parquet",
    "reliability.png",
    "roc.png",
    "split.csv",
    "status.json",
    "wrong.csv",
)


def call(tmp_path: Path, *overrides: str) -> subprocess.CompletedProcess:
    """Run train.py in a process of its own, its outputs and cache below ``tmp_path``."""
    places = [f"output_dir={tmp_path / 'outputs'}", f"cache_dir={tmp_path / 'cache'}"]
    return subprocess.run(command(*overrides, *places), cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture
def call_here(tmp_path, monkeypatch, capsys):
    """The same within this process, which spares the ten seconds of imports; returns exit code and stderr."""

    def call_here(*overrides: str) -> tuple[int, str]:
        places = [f"output_dir={tmp_path / 'outputs'}", f"cache_dir={tmp_path / 'cache'}"]
        monkeypatch.setattr("sys.argv", ["train.py", *overrides, *places])
        code = 0
        try:
            with command_line():
                train.main()
        except SystemExit as ended:
            code = ended.code
        return code, capsys.readouterr().err.strip()

    return call_here


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished small run, and where it lies."""
    tmp_path = tmp_path_factory.mktemp("finished")
    done = call(tmp_path, "+experiment=resnet18_cut_block5", *SMALL)
    assert done.returncode == 0, done.stderr
    return done, next((tmp_path / "outputs").glob("*/*/seed=0"))


def test_a_run_leaves_all_that_it_promises(finished):
    done, run = finished
    present = {path.name for path in run.iterdir()}
    assert set(FILES) <= present
    assert (run / "logs").is_dir()
    assert Run(run).status.state == "finished"
    assert (Run(run).best_checkpoint).is_file()
    environment = json.loads((run / "environment.json").read_text())
    assert environment["revision"]
    assert "+experiment=resnet18_cut_block5" in environment["command"]
    assert str(run) in done.stdout.replace("\n", "")
    assert "SYNTHETIC" in done.stdout


def test_predictions_cover_validation_and_test_once_each(finished):
    _, run = finished
    predictions = read_predictions(run)
    split = pd.read_csv(run / "split.csv", dtype={"image_id": str})
    judged = split[split.part.isin(["validation", "test"])]
    assert sorted(predictions.frame.image_id) == sorted(judged.image_id)
    assert predictions.classes == ("hem", "all")
    assert predictions.positive_class == "all"
    assert not Path(predictions.frame.path.iloc[0]).is_absolute()
    by_subject = split[split.part != "unused"].groupby("subject").part.nunique()
    assert (by_subject == 1).all()


def test_metrics_hold_what_was_promised_with_intervals(finished):
    _, run = finished
    test = json.loads((run / "metrics.json").read_text())["test"]
    for name in ("accuracy", "f1_weighted", "auc", "sensitivity", "specificity", "precision/all", "recall/hem"):
        assert {"value", "low", "high"} <= test["metrics"][name].keys()
    assert test["subjects"] == 2


def test_the_best_checkpoint_is_of_the_last_stage(finished):
    _, run = finished
    assert Run(run).status.best == "checkpoints/2-finetune/best.ckpt"
    assert [path.name for path in (run / "checkpoints").rglob("*.ckpt")] == ["best.ckpt"]


ERRORS = {
    "a typo in an override": (["trainer.max_epoch=3"], "trainer.max_epochs"),
    "an unknown experiment": (["+experiment=resnet50_cut_blok5"], "resnet50_cut_block5"),
    "a group without its plus": (["experiment=resnet50_features"], "+"),
    "a profile before its experiment": (["+profile=smoke", "+experiment=resnet50_features"], "type `"),
    "no data folder said": (["data_dir=null"], "data_dir"),
    "a data folder that is not there": (["data_dir=absent"], "absent"),
    "a wrong cut": ([*SMALL, "model=resnet18", "model.cut=layer9"], "layer3"),
    "a wrong unfreeze name": ([*SMALL, "model=resnet18", "unfreeze.stages.finetune.train=[layer9]"], "layer4"),
    "a model that timm does not know": ([*SMALL, "model.name=resnet5O"], "resnet50"),
    "weights that are not there": ([*SMALL, "weights=absent.safetensors"], "absent.safetensors"),
    "weights of no hub": ([*SMALL, "model=resnet18", "weights=resnet18.tv_in1k"], "weights=random"),
    "CUDA asked for and absent": ([*SMALL, "trainer.accelerator=cuda"], "trainer.accelerator=cpu"),
    "too few subjects": ([*SMALL, "split.folds=9"], "split.folds"),
    "positive class not said": ([*SMALL, "data.positive_class=null"], "data.positive_class=all"),
    "one logit for no two classes": ([*SMALL, "head.logits=5"], "head.logits=2"),
    "passes without any dropout": (
        [*SMALL, "model=resnet18", "model.cut=layer1", "inference.mc_passes=100"],
        "inference.mc_passes=100: the model has no dropout: put {dropout: 0.5} in head.layers",
    ),
    "an argument that the optimizer does not take": (
        [*SMALL, "model=resnet18", "+optimizer.args.foo=1"],
        "optimizer.args",
    ),
    "a key of the trainer that has another type": ([*SMALL, "trainer.deterministic=maybe"], "trainer.deterministic"),
    "new keys in a mapping": ([*SMALL, "model.args={pad_type: same}"], "+model.args.<key>=<value>"),
    "no such optimizer": ([*SMALL, "model=resnet18", "optimizer.name=Adamm"], "Adam"),
}


@pytest.mark.parametrize(("overrides", "words"), ERRORS.values(), ids=ERRORS.keys())
def test_a_user_error_is_one_line_with_the_remedy_and_nothing_is_written(
    overrides, words, tmp_path, monkeypatch, call_here
):
    monkeypatch.delenv("KARYOCYTE_DATA_DIR", raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    code, error = call_here(*overrides)
    assert code == 1
    assert error.startswith("error: ")
    assert "\n" not in error
    assert words in error
    assert not (tmp_path / "outputs").exists()


def test_a_run_folder_can_be_typed_although_its_name_holds_an_equals_sign(finished, tmp_path, call_here):
    _, run = finished
    overrides = ["+experiment=resnet18_cut_block5", *SMALL, f"init_from={run}", "trainer.max_epochs=1"]
    assert call_here(*overrides)[0] == 0
    follow = next((tmp_path / "outputs").glob("*/*/seed=0"))
    assert [path.name for path in (follow / "checkpoints").iterdir()] == ["1-finetune"]


def test_starting_from_another_fold_would_leak_and_is_refused(finished, tmp_path, call_here):
    _, run = finished
    code, error = call_here("+experiment=resnet18_cut_block5", *SMALL, f"init_from={run}", "split.fold=1")
    assert code == 1
    assert "of the images that evaluate this run" in error
    assert not (tmp_path / "outputs").exists()


def test_only_paths_with_an_equals_sign_are_quoted():
    assert quote_path("init_from=outputs/a/seed=0") == 'init_from="outputs/a/seed=0"'
    for argument in ("init_from=outputs/a", 'init_from="a=b"', "model.args={a: b=c}", "seed=1", "train.py"):
        assert quote_path(argument) == argument


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("data.subject_regex", "^(?P<subject>[^_]+)_"),
        ("data.cell_regex", "(cell[0-9]+)_"),
        ("data_dir", "/data/My Images (1)"),
        ("+init_from", "outputs/a/seed=0"),
        ("data.file", "/a/b=c/labels.csv"),
    ],
)
def test_hydra_reads_a_quoted_path_as_it_was_typed(key, value):
    read = OverridesParser.create().parse_override(quote_path(f"{key}={value}"))
    assert read.value() == value


def test_in_a_multirun_each_path_of_a_list_is_quoted(monkeypatch):
    monkeypatch.setattr("sys.argv", ["train.py", "-m"])
    read = OverridesParser.create().parse_override(quote_path("init_from=a/seed=0,b/seed=0"))
    assert [str(choice).strip('"') for choice in read.sweep_string_iterator()] == ["a/seed=0", "b/seed=0"]


def test_a_file_in_the_way_is_a_user_error(tmp_path, call_here):
    (tmp_path / "outputs").write_text("a file")
    code, error = call_here(*SMALL, "model=resnet18")
    assert code == 1
    assert "outputs" in error
    assert "\n" not in error


def test_a_refused_run_leaves_the_folder_as_it_was(finished, tmp_path, call_here):
    _, run = finished
    theirs = shutil.copytree(run.parents[2], tmp_path / "outputs")
    there = next(theirs.glob("*/*/seed=0"))
    identity = json.loads((there / "identity.json").read_text())
    (there / "identity.json").write_text(json.dumps({**identity, "contents": {}}))
    (there / ".lock").unlink()
    before = {path: path.stat().st_mtime_ns for path in there.rglob("*")}
    code, error = call_here("+experiment=resnet18_cut_block5", *SMALL)
    assert code == 1
    assert "another configuration" in error
    assert {path: path.stat().st_mtime_ns for path in there.rglob("*")} == before


def test_an_error_through_the_real_command_line_has_no_traceback(tmp_path):
    done = call(tmp_path, "+experiment=resnet50_cut_block5", "data.positive_clas=all")
    assert done.returncode == 1
    assert done.stderr.strip().count("\n") == 0
    assert "data.positive_class" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_help_is_quick_and_imports_no_torch():
    code = (
        "import sys, train\n"
        "sys.argv = ['train.py', '--help']\n"
        "try: train.main()\n"
        "except SystemExit: pass\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run(command()[:1] + ["-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "experiment" in done.stdout


def test_in_a_multirun_a_failed_job_does_not_stop_the_others(tmp_path, call_here):
    net = ["model=resnet18", "model.cut=layer1", "unfreeze=head_only", "trainer.max_epochs=1"]
    code, error = call_here("-m", *SMALL, *net, "split.fold=9,0")
    assert code == 1
    assert "split.fold" in error
    runs = list((tmp_path / "outputs").glob("*/*/seed=0"))
    assert [Run(run).status.state for run in runs] == ["finished"]
    assert not (ROOT / "multirun.yaml").exists()


def test_in_a_multirun_a_bug_does_not_stop_the_others_either(tmp_path, monkeypatch, call_here):
    trained = []

    def run(config):
        trained.append(config.seed)
        if config.seed == 0:
            raise ZeroDivisionError("a bug")

    monkeypatch.setattr("workflows.train.run", run)
    code, error = call_here("-m", *SMALL, "seed=0,1")
    assert trained == [0, 1]
    assert code == 1
    assert "1 of the jobs failed" in error
    assert ": a bug" in error.splitlines()[-1]


def test_passes_of_monte_carlo_dropout_stand_beside_the_predictions(tmp_path, call_here):
    net = ["model=resnet18", "model.cut=layer1", "unfreeze=head_only", "trainer.max_epochs=1"]
    sampled = ["head.layers=[{dropout: 0.5},gap,{dense: 8},{dropout: 0.5}]", "inference.mc_passes=20"]
    assert call_here(*SMALL, *net, *sampled)[0] == 0
    predictions = read_predictions(next((tmp_path / "outputs").glob("*/*/seed=0")))
    assert predictions.sampled
    frame = predictions.frame
    assert set(frame.sampled_label) <= set(predictions.classes)
    assert frame.sampled_votes.between(0.5, 1).all()
    assert (frame.sampled_votes * 20 % 1).round(9).isin([0, 1]).all()
    assert (frame.sampled_variance > 0).all()
    assert frame.sampled_confidence.between(0.25, frame.sampled_votes).all()
    assert (frame.sampled_prob_hem + frame.sampled_prob_all).to_numpy() == pytest.approx(1)
    # Without dropout is not the mean over the passes, but near it.
    assert (frame.sampled_prob_all != frame.prob_all).all()
    assert frame.sampled_prob_all.to_numpy() == pytest.approx(frame.prob_all.to_numpy(), abs=0.3)


def test_a_typo_in_a_yaml_file_is_refused(tmp_path):
    conf = shutil.copytree(ROOT / "conf", tmp_path / "conf")
    broken = conf / "experiment" / "broken.yaml"
    for text, words in (
        ("# @package _global_\nheads: {logits: 1}\n", "head"),
        ("# @package _global_\na: [1\n", "YAML"),
    ):
        broken.write_text(text)
        done = call(tmp_path, "--config-dir", str(conf), "+experiment=broken")
        assert done.returncode == 1
        assert done.stderr.strip().count("\n") == 0, done.stderr
        assert words in done.stderr
