"""scripts/dev_cluster.sh: a Slurm that really schedules, preempts and queues again, and leaves nothing behind."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.cluster.slurm import Cluster, script, wait_for, why_not


def test_without_a_cluster_it_says_how_to_start_one(tmp_path):
    status = script("status", folder=tmp_path / "none")
    assert status.returncode == 1
    assert "not up: scripts/dev_cluster.sh start" in status.stdout
    env = script("env", folder=tmp_path / "none")
    assert (env.returncode, env.stdout, len(env.stderr.splitlines())) == (1, "", 1)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root comes as far as that")
def test_missing_packages_are_named(tmp_path):
    for name in ("bash", "dirname", "id", "mkdir", "chmod", "grep", "cat"):
        (tmp_path / name).symlink_to(shutil.which(name))
    done = script("start", folder=tmp_path / "none", PATH=str(tmp_path))
    assert done.returncode == 1
    assert "apt-get install slurm-wlm munge" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_only_root_starts_it(tmp_path):
    (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n")
    (tmp_path / "id").chmod(0o755)
    done = script("start", folder=tmp_path / "none", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert done.returncode == 1
    assert done.stderr.startswith("error: only root can start or stop")


def test_a_step_runs_on_both_nodes_and_names_resolve(cluster):
    asked = "echo $SLURMD_NODENAME $SLURM_PROCID $(getent hosts $SLURMD_NODENAME | head -n 1 | cut -d ' ' -f 1)"
    printed = cluster.call("srun", "--nodes=2", "--ntasks-per-node=1", "bash", "-c", asked)
    assert sorted(printed.splitlines()) == ["karyo1 0 127.0.0.1", "karyo2 1 127.0.0.1"]


def test_gpus_are_granted_as_far_as_there_are_any(cluster):
    assert cluster.call("srun", "--gpus-per-node=2", "bash", "-c", "echo $CUDA_VISIBLE_DEVICES") == "0,1"
    command = ["sbatch", "--gpus-per-node=3", "--wrap=true"]
    done = subprocess.run(command, env=cluster.environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "not available" in done.stderr


def test_a_member_of_an_array_is_queued_again_alone(cluster, tmp_path):
    command = f"echo x >> {tmp_path}/$SLURM_ARRAY_TASK_ID; test $SLURM_RESTART_COUNT || sleep 300"
    job = cluster.submit("--array=0-1", command=command)
    try:
        wait_for(lambda: len(list(tmp_path.iterdir())) == 2, "both members to start")
        cluster.call("scontrol", "requeue", f"{job}_0")
        wait_for(lambda: (tmp_path / "0").read_text() == "x\nx\n", "the requeued member")
        assert (tmp_path / "1").read_text() == "x\n"
        assert cluster.state(f"{job}_1") == "RUNNING"
    finally:
        cluster.call("scancel", job)


@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
def test_a_second_cluster_lives_beside_it_and_goes_without_a_trace(cluster):
    hosts = Path("/etc/hosts").read_text()
    with tempfile.TemporaryDirectory(prefix="slurm") as name:
        assert script("start", folder=Path(name)).returncode == 0
        other = Cluster.of(Path(name))
        assert script("start", folder=Path(name)).returncode == 0  # again: nothing to do
        before = other.call("squeue", "--noheader")
        job = other.submit(command="trap '' TERM; sleep 317 & wait; wait")
        wait_for(lambda: other.state(job) == "RUNNING", "the job to run")
        done = script("stop", folder=Path(name))
        assert (before, done.returncode, done.stderr) == ("", 0, "")
        assert Path("/etc/hosts").read_text() == hosts
        listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
        assert name not in listed
        assert re.search(r"^sleep 317$", listed, re.MULTILINE) is None
    assert cluster.call("sinfo", "--noheader", "--partition=low", "--format=%D") == "2"
