"""Two processes train what one trains at the same global batch; what goes wrong in one ends both."""

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from omegaconf import DictConfig

from datamodules.image_datamodule import ImageDataModule
from karyocyte.runs.predicted import to_predictions
from karyocyte.runs.predictions import read_predictions
from karyocyte.runs.run import Run
from lightning_modules.build.load import load_run
from lightning_modules.training.predict import predict
from tests.helpers.training import QUICK, composed, run_unevaluated, small_config
from tests.lightning_modules.pair import Training, run_pair
from tests.lightning_modules.tiny import assert_equal_weights

# 27 images to train with, 9 to validate, 10 to test: by tens, five in each process, a rest of 4 and 3 is left.
DATA = ["data=synthetic", "data.images=46", "data.subjects=10", "data.size=48"]
NET = ["model=resnet18", "model.cut=layer2", "transform=flips_rotations"]
PLAIN = [*NET, "head.layers=[gap,{dense:8}]"]
FROZEN = [*PLAIN, "unfreeze.stages.finetune.batchnorm=frozen", "unfreeze.stages.finetune.lr=0.001"]
LEVELS = "levels=[{above: 0.4, gate: 0.0, lr: 0.002}, {above: 0.55, gate: 0.0, lr: 0.003}]"
CHECKS = ["enabled=true", "every_steps=2", "every_epochs=1", LEVELS]
# Name -> what one process and two are given alike, with BatchNorm frozen but for the last.
ALIKE = {
    "smoothed loss": [*FROZEN, "loss.label_smoothing=0.1", "head.logits=2"],
    "checks": [
        *[*FROZEN, "balance=weighted_sampling", "trainer.max_epochs=3"],
        *(f"callbacks.check_and_adjust.{key}" for key in CHECKS),
        *(f"callbacks.early_break.{key}" for key in ("enabled=true", "validation=0.3", "train=0.3", "batches=2")),
    ],
    "budget": [
        *PLAIN,
        "unfreeze=together",
        "unfreeze.train=[layer2]",
        "unfreeze.stages.together.batchnorm=frozen",
        "trainer.max_images=47",
        "trainer.accumulate_grad_batches=2",
        "callbacks.averaging.enabled=true",
    ],
    "BatchNorm": [*PLAIN, "unfreeze.stages.finetune.lr=0.001", "trainer.max_epochs=1"],
}
# Dropout, BatchNorm and averaging: whatever could be lost in a resume. 11 images to validate make three batches of 5.
STATEFUL = [
    *NET, "data.images=56", "head.layers=[gap,{dense:8},batchnorm,{dropout:0.5}]", "unfreeze.stages.finetune.lr=0.001",
    "callbacks.averaging.enabled=true", "inference.mc_passes=3",
]  # fmt: skip
STEPS = ["callbacks.checkpoint.every_steps=1"]
QUICKEST = ["unfreeze=head_only", *PLAIN]
LONG = 300  # seconds, far more than a loaded machine takes, and far less than processes wait for one another


def given(folder: Path, *overrides: str) -> DictConfig:
    """What two processes are given: five images of each batch of ten in each."""
    config = composed([*DATA, *QUICK, "loader.batch_size=5", "trainer.devices=2", *overrides])
    config.output_dir, config.cache_dir = str(folder / "outputs"), str(folder / "cache")
    return config


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("processes")


@pytest.fixture(scope="module")
def pair(folder):
    """The outcomes of all trainings in both processes."""
    plan = [Training(name, given(folder, *overrides)) for name, overrides in ALIKE.items()]
    first = [*ALIKE].index("smoothed loss")
    plan[first] = replace(plan[first], fault="records_builds", evaluated=True)
    plan += [
        Training("undisturbed", given(folder / "undisturbed", *STATEFUL)),
        # One run is disturbed three times: whatever a resume loses shows in what it ends with.
        Training("left a validation", given(folder / "disturbed", *STATEFUL), "first_is_signalled_in_a_validation"),
        Training("left", given(folder / "disturbed", *STATEFUL), "second_is_signalled_first"),
        Training("stopped", given(folder / "disturbed", *STATEFUL, *STEPS), "stops_in_mid_epoch"),
        Training("resumed", given(folder / "disturbed", *STATEFUL, *STEPS)),
        Training("again", given(folder / "disturbed", *STATEFUL, *STEPS, "callbacks.monitor=val/none")),
        Training("left early", given(folder / "early", *QUICKEST), "second_is_signalled_in_preparing"),
        Training("no disk", given(folder / "no_disk", *QUICKEST), "dies_in_preparing"),
        Training("other seeds", given(folder, *QUICKEST, "seed=${oc.env:RANK}")),
        Training("killed", given(folder / "killed", *QUICKEST), "second_is_killed"),
    ]
    return run_pair(plan, folder / "pair")


@pytest.fixture(scope="module")
def alone(folder) -> dict[str, Path]:
    """The runs of one process, ten images in each batch."""
    ten = "loader.batch_size=10"
    configs = {name: small_config(folder / "alone", ten, *more, data=DATA) for name, more in ALIKE.items()}
    return {name: run_unevaluated(config) for name, config in configs.items()}


def run_of(pair: dict, name: str) -> Path:
    """The folder of a run that both processes have finished."""
    first, second = pair[name]
    assert (first["error"], second["error"]) == (None, None), pair["exit"]
    assert first["run"] == second["run"]
    return Path(first["run"])


def weights(run: Path) -> dict[str, torch.Tensor]:
    return torch.load(Run(run).best_checkpoint, weights_only=True)["state_dict"]


def largest_difference(one: Path, other: Path) -> float:
    """Between the weights of two runs; of BatchNorm's counters too."""
    ours, theirs = weights(one), weights(other)
    assert ours.keys() == theirs.keys()
    return max(float((ours[key].double() - theirs[key].double()).abs().max()) for key in ours)


def records(run: Path) -> list[dict]:
    stages = [json.loads(path.read_text()) for path in sorted(run.glob("checkpoints/*/stage.json"))]
    # Equal weights are compared as such: their files also hold the paths of the run.
    return [{**stage, "seconds": None, "sha256": None} for stage in stages]


@pytest.mark.parametrize("name", [name for name in ALIKE if name != "BatchNorm"])
def test_two_processes_train_what_one_does(pair, alone, name):
    two, one = run_of(pair, name), alone[name]
    # A difference in the last digit may round to the next number of half precision.
    assert largest_difference(two, one) < (1e-3 if name == "checks" else 1e-5)
    ours, theirs = Run(two).history, Run(one).history
    pd.testing.assert_frame_equal(ours, theirs, check_like=True, rtol=1e-4, atol=1e-6)
    for mine, other in zip(records(two), records(one), strict=True):
        assert mine.pop("score") == pytest.approx(other.pop("score"), rel=1e-4)
        assert mine == other


def test_checks_and_the_early_break_count_the_images_of_both(pair, alone):
    two, one = run_of(pair, "checks"), alone["checks"]
    tables = [pd.read_csv(next(run.glob("logs/2-*/check_and_adjust.csv"))) for run in (two, one)]
    pd.testing.assert_frame_equal(*tables, rtol=1e-4)
    assert set(tables[0]["reason"]) == {"check", "epoch"}
    assert any(record["epochs"] < 3 for record in records(two))  # it broke early


def test_each_image_is_predicted_once_and_as_by_one_process(pair, alone):
    for name in ALIKE:
        ours, theirs = (read_predictions(run).frame for run in (run_of(pair, name), alone[name]))
        assert list(ours["image_id"]) == list(theirs["image_id"])
        assert ours["image_id"].is_unique
    ours, theirs = (read_predictions(run).frame for run in (run_of(pair, "checks"), alone["checks"]))
    pd.testing.assert_frame_equal(ours, theirs, rtol=1e-3, atol=1e-4)  # of weights in half precision


def test_where_batchnorm_trains_the_processes_differ_a_little_and_agree_on_its_statistics(pair, alone):
    two, one = run_of(pair, "BatchNorm"), alone["BatchNorm"]
    assert 1e-5 < largest_difference(two, one) < 1
    assert Run(two).status.images_seen == Run(one).status.images_seen


def test_a_resume_in_mid_epoch_is_bit_equal_to_an_undisturbed_run_of_two(pair):
    assert pair["stopped"][0]["error"] == pair["stopped"][1]["error"] == "RuntimeError: stopped by the test"
    ours, theirs = run_of(pair, "resumed"), run_of(pair, "undisturbed")
    assert_equal_weights(weights(ours), weights(theirs))
    pd.testing.assert_frame_equal(read_predictions(ours).frame, read_predictions(theirs).frame)
    assert records(ours) == records(theirs)


@pytest.mark.parametrize("left", ["left a validation", "left", "left early"])
def test_a_signal_that_reaches_one_process_first_makes_both_leave_with_one_state(pair, folder, left):
    assert [each["error"] for each in pair[left]] == ["Preempted: SIGTERM"] * 2
    assert all(each["seconds"] < LONG for each in pair[left])
    if left == "left early":  # it reached another process before the first, which has no error
        status = next((folder / "early").rglob("status.json"))
        assert json.loads(status.read_text())["status"] == "preempted"


def test_a_validation_of_uneven_shares_ends_in_both(pair):
    validation = read_predictions(run_of(pair, "undisturbed")).part("validation").frame
    assert validation["image_id"].is_unique
    assert -(-len(validation) // 5) % 2 == 1  # batches of five: one process has one more than the other


def test_passes_of_dropout_have_the_masks_that_one_process_draws(pair):
    run = load_run(run_of(pair, "undisturbed"))
    config = Run(run_of(pair, "undisturbed")).config
    data = ImageDataModule(config, progress=False)
    data.setup()
    manifest = data.manifest
    predicted = predict(run.classifier, data, config)  # alone, though the run's configuration says two
    theirs = to_predictions(predicted, manifest.frame, data.parts, manifest.classes, manifest.positive_class, {}).frame
    ours = read_predictions(run_of(pair, "undisturbed")).frame
    sampled = [name for name in ours if name.startswith("sampled_")]
    assert sampled
    pd.testing.assert_frame_equal(ours[sampled], theirs[sampled], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("again", "callbacks.monitor=val/none is no metric"),
        ("other seeds", "UserError: the processes of this run differ in their configuration"),
    ],
)
def test_an_error_of_the_first_process_ends_both_and_is_printed_once(pair, name, words):
    first, second = (each["error"] for each in pair[name])
    assert first.startswith("UserError: ")
    assert words in first
    assert second == "RepeatedError: " + first.removeprefix("UserError: ")


def test_an_error_of_another_process_ends_both_and_is_printed_once(pair, folder):
    first, second = (each["error"] for each in pair["no disk"])
    assert second == "UserError: no disk on this node"
    assert first == "RepeatedError: process 1: no disk on this node"
    status = next((folder / "no_disk").rglob("status.json"))
    assert json.loads(status.read_text())["status"] == "failed"


def test_the_cache_is_built_once_by_two_processes(pair, folder):
    run_of(pair, "smoothed loss")
    assert len((folder / "cache/prepared/built.txt").read_text().split()) == 1


def test_where_one_process_ends_in_mid_training_the_other_ends_at_once(pair):
    left = pair["killed"][0]
    assert left["error"].startswith("UserError: another process of this run has ended")
    assert left["seconds"] < LONG
    codes = [each["code"] for each in pair["exit"]]
    assert codes == [0, -9]  # the second one was killed; the first has noted all of its errors


def test_the_first_process_alone_prints(pair):
    first, second = (each["output"] for each in pair["exit"])
    assert "stage 1, head" in first
    assert [line for line in second.splitlines() if line and not line.startswith("-- ")] == []  # the helper's lines
