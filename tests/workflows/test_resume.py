"""Killed and resumed, a run ends with the very weights of one that was never disturbed."""

import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from common.paths import ROOT
from common.predictions import read_predictions
from common.runs.history import read_history
from common.runs.run import Run
from tests.helpers.training import SMALL, small_config
from workflows import train

# Dropout, augmentation and BatchNorm all on, so that any stray randomness or lost state would show.
NET = ["model=resnet18", "model.cut=layer2", "head.layers=[gap,{dense:8},{dropout:0.5}]", "transform=flips_rotations"]
RUN = [*SMALL, *NET, "trainer.max_epochs=3", "unfreeze.stages.finetune.lr=0.001"]


def killed(overrides: list[str], stage: int, epoch: int, batch: int) -> None:
    """Train in a process of its own until it kills itself."""
    place = [str(number) for number in (stage, epoch, batch)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.workflows.killed_run", *place, *overrides],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]


def weights(run: Path) -> dict[str, torch.Tensor]:
    return torch.load(Run(run).best_checkpoint, weights_only=True)["state_dict"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """The folder of a run that was never disturbed."""
    return train.run(small_config(tmp_path_factory.mktemp("undisturbed"), *RUN))


def test_with_accumulated_gradients_too_and_killed_twice(tmp_path):
    accumulate = ["trainer.accumulate_grad_batches=2", "callbacks.checkpoint.every_steps=2", "unfreeze=head_only"]
    overrides = [*SMALL, *NET, *accumulate]
    whole = train.run(small_config(tmp_path / "whole", *NET, *accumulate))
    config = small_config(tmp_path, *NET, *accumulate)
    places = [f"output_dir={config.output_dir}", f"cache_dir={config.cache_dir}"]
    killed([*overrides, *places], 0, 1, 4)
    killed([*overrides, *places], 0, 1, 5)
    one, other = weights(whole), weights(train.run(config))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("stage", "epoch", "batch", "more"),
    [
        pytest.param(1, 1, 3, [], id="from the last epoch's end"),
        pytest.param(1, 1, 4, ["callbacks.checkpoint.every_steps=3"], id="from the middle of the epoch"),
        pytest.param(0, 2, 1, [], id="in the first stage"),
    ],
)
def test_a_run_killed_in_mid_epoch_and_resumed_is_bit_identical(undisturbed, tmp_path, stage, epoch, batch, more):
    config = small_config(tmp_path, *RUN, *more)
    places = [f"output_dir={config.output_dir}", f"cache_dir={config.cache_dir}"]
    killed([*RUN, *places, *more], stage, epoch, batch)
    run = next(Path(config.output_dir).glob("*/*/seed=0"))
    assert Run(run).status.state == "running"
    assert not Run(run).is_finished

    assert train.run(config) == run
    one, other = weights(undisturbed), weights(run)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    pd.testing.assert_frame_equal(read_predictions(undisturbed).frame, read_predictions(run).frame)
    assert Run(run).status.images_seen == Run(undisturbed).status.images_seen
    losses = [read_history(folder)[["stage", "epoch", "val/loss"]] for folder in (undisturbed, run)]
    pd.testing.assert_frame_equal(*losses)


@pytest.mark.parametrize("workers", [1, 3])
def test_the_number_of_workers_changes_nothing(undisturbed, tmp_path, workers):
    run = train.run(small_config(tmp_path, *RUN, f"loader.workers={workers}"))
    one, other = weights(undisturbed), weights(run)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert run.parent.name == undisturbed.parent.name


def test_another_seed_is_another_run(undisturbed, tmp_path):
    run = train.run(small_config(tmp_path, *RUN, "seed=1"))
    one, other = weights(undisturbed), weights(run)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_a_finished_run_is_not_trained_again(undisturbed):
    before = {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*.ckpt")}
    assert train.run(small_config(undisturbed.parents[3], *RUN)) == undisturbed
    assert {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*.ckpt")} == before
