"""A sweep on a real Slurm: interrupted, preempted, killed, and the same in the end as if nothing had been."""

import json
import os
import signal
from pathlib import Path

import pandas as pd
import pytest
import torch

from karyocyte.runs.predictions import read_predictions
from karyocyte.runs.run import Run
from tests.cluster.slurm import Cluster, end_of, records, submitted, wait_for
from tests.helpers.training import SMALL

# Dropout, augmentation and BatchNorm all on, so that any stray randomness or lost state would show.
NET = ["model=resnet18", "model.cut=layer2", "head.layers=[gap,{dense:8},{dropout:0.5}]", "transform=flips_rotations"]
RUN = [*SMALL, *NET, "unfreeze=head_only", "trainer.max_epochs=40", "trainer.num_nodes=1,2"]
ALONE, TWO = "trainer.num_nodes=1", "trainer.num_nodes=2"


def waiting(cluster: Cluster, folder: Path) -> set[str]:
    return {cluster.state(job) for job in submitted(folder).values()}


@pytest.fixture(scope="module")
def sweep(cluster, tmp_path_factory) -> tuple[Path, int, str]:
    """A sweep of four jobs whose command was interrupted, and called again; two of its jobs must fail."""
    folder = tmp_path_factory.mktemp("sweeps") / "whole"
    overrides = [*RUN, "split.fold=0,9"]
    block = cluster.submit("--partition=high", "--nodes=2", "--exclusive", "--job-name=block", command="sleep 300")
    wait_for(lambda: cluster.state(block) == "RUNNING", "the nodes to be taken")
    command = cluster.start(*overrides, folder=folder)
    wait_for(lambda: len(submitted(folder)) == 4, "four jobs in the queue")
    command.send_signal(signal.SIGINT)
    code, output = end_of(command, folder)
    assert code != 0
    assert "scancel" in output
    cluster.restart_controller()
    assert waiting(cluster, folder) == {"PENDING"}
    command = cluster.start(*overrides, folder=folder)
    wait_for(
        lambda: "in the queue already, and waited for: 4 jobs" in (folder / "output").read_text(),
        "the jobs to be taken up",
    )
    cluster.call("scancel", block)
    return folder, *end_of(command, folder)


def test_an_interrupted_sweep_goes_on_and_ends_with_what_failed(sweep):
    folder, code, output = sweep
    assert code == 1
    assert "2 of 4 jobs are finished" in output
    assert output.count("failed trainer.num_nodes=1 split.fold=9: split.fold=9 must be below") == 1
    found = records(folder)
    assert {name: record["status"] for name, record in found.items()} == {
        f"{fold} {nodes}": "finished" if fold == "split.fold=0" else "failed"
        for fold in ("split.fold=0", "split.fold=9")
        for nodes in (ALONE, TWO)
    }
    assert {record["attempts"] for record in found.values()} == {1}  # the second command submitted nothing
    jobs = submitted(folder)
    assert all(record["slurm_job"] == jobs[record["key"]] for record in found.values())
    assert len({job.partition("_")[0] for job in jobs.values()}) == 2  # an array for each kind of need


def test_two_nodes_share_a_run_and_see_each_image_once(sweep):
    run = Path(records(sweep[0])[f"split.fold=0 {TWO}"]["run"])
    usage = Run(run).usage
    assert usage["by_device"]["cpu"] == pytest.approx(2 * usage["wall_seconds"])
    frame = read_predictions(run).frame
    assert frame["image_id"].is_unique
    alone = read_predictions(Path(records(sweep[0])[f"split.fold=0 {ALONE}"]["run"])).frame
    assert list(frame["image_id"]) == list(alone["image_id"])


@pytest.mark.parametrize(
    "typed",
    [[], ["cluster.gpus_per_node=2", "trainer.accelerator=auto"]],  # GPUs by name alone
    ids=["tasks", "gpus"],
)
def test_two_nodes_of_two_devices_are_one_training_of_four_processes(cluster, tmp_path, typed):
    asked = ["model=resnet18", "model.cut=layer1", "unfreeze=head_only"]
    asked += ["trainer.num_nodes=2", "trainer.devices=2", *typed]
    code, output = cluster.run(*SMALL, *asked, folder=tmp_path / "sweep")
    assert code == 0, output
    (script,) = (tmp_path / "sweep").glob("outputs/sweeps/*/slurm/*.sbatch")
    options = {"#SBATCH --nodes=2", "#SBATCH --ntasks-per-node=2"}
    if "cluster.gpus_per_node=2" in typed:
        options.add("#SBATCH --gpus-per-node=2")
    assert options <= set(script.read_text().splitlines())
    (record,) = records(tmp_path / "sweep").values()
    run = Run(Path(record["run"]))
    assert (run.config.trainer.num_nodes, run.config.trainer.devices) == (2, 2)
    assert run.usage["by_device"]["cpu"] == pytest.approx(4 * run.usage["wall_seconds"])
    assert read_predictions(run.folder).frame["image_id"].is_unique


def test_the_same_command_runs_only_what_is_missing(cluster, sweep):
    folder, _, _ = sweep
    before = records(folder)
    code, output = cluster.run(*RUN, "split.fold=0,9", folder=folder)
    assert code == 1
    assert "2 of 4 jobs are done already" in output
    after = records(folder)
    for name, record in after.items():
        if record["status"] == "finished":
            assert record == before[name]
        else:
            assert (record["status"], record["attempts"]) == ("failed", 2)


def test_jobs_that_are_warned_killed_or_preempted_go_on_to_the_very_same_weights(cluster, sweep):
    alone, two = (Path(records(sweep[0])[f"split.fold=0 {nodes}"]["run"]) for nodes in (ALONE, TWO))
    plain, folder = sweep[0].parent / "plain", sweep[0].parent / "disturbed"
    third = cluster.start(*RUN[:-1], "split.fold=0", folder=plain)
    command = cluster.start(*RUN, "split.fold=0", "callbacks.checkpoint.every_steps=7", folder=folder)

    (warned,) = wait_for(lambda: training(plain, 1), "a job to be in its third epoch").values()
    (warned_job,) = submitted(plain).values()
    cluster.call("scancel", "--signal=USR1", warned_job)  # as Slurm does some time before the limit
    wait_for(lambda: cluster.state(warned_job) == "PENDING", "it to be in the queue again")
    assert Run(warned).status.state == "preempted"

    runs = wait_for(lambda: training(folder, 2), "both jobs of the sweep to be in their third epoch")
    first = records(folder)
    os.kill(first[ALONE]["pid"], signal.SIGKILL)
    cluster.submit("--partition=high", "--nodelist=karyo2", "--exclusive", command="sleep 1")

    code, output = end_of(command, folder)
    assert code == 0, output
    last = records(folder)
    # The one that was displaced was queued again on the cluster; the one that was killed, by the command.
    assert (last[TWO]["attempts"], last[TWO]["slurm_job"]) == (2, first[TWO]["slurm_job"])
    assert last[ALONE]["attempts"] == 2
    assert last[ALONE]["slurm_job"] != first[ALONE]["slurm_job"]
    assert end_of(third, plain)[0] == 0
    for one, other in ((two, runs[TWO]), (alone, runs[ALONE]), (alone, warned)):
        assert_same(one, other)


def training(folder: Path, jobs: int) -> dict[str, Path] | None:
    """The runs of the sweep below ``folder``, once each of its jobs is somewhere after its second epoch."""
    runs = {name: Path(record["run"]) for name, record in records(folder).items() if record.get("run")}
    paths = [run / "progress.json" for run in runs.values()]
    far = [path.is_file() and json.loads(path.read_text())["epoch"] > 2 for path in paths]
    return runs if far == [True] * jobs else None


def assert_same(one: Path, other: Path) -> None:
    weights = [torch.load(Run(run).best_checkpoint, weights_only=True)["state_dict"] for run in (one, other)]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    pd.testing.assert_frame_equal(read_predictions(one).frame, read_predictions(other).frame)
    losses = [Run(run).history[["stage", "epoch", "val/loss"]] for run in (one, other)]
    pd.testing.assert_frame_equal(*losses)
