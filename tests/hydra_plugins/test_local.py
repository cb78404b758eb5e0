"""Jobs on this machine: which run at once, with which GPUs, in how many processes. The GPUs are only pretended."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from hydra_plugins.karyocyte import _local
from hydra_plugins.karyocyte._local import LocalJobs, find_gpus
from karyocyte.common.errors import UserError
from karyocyte.config.cluster import LocalConfig
from karyocyte.runs.lifecycle import locked
from karyocyte.runs.sweeps import job_of, write_record
from karyocyte.workflows.sweeps.tasks import Task
from tests.helpers.gpus import pretend_gpus


@dataclass
class Machine:
    """Processes that run for so many polls, in the order of their start, and who ran beside whom."""

    polls: list[int] = field(default_factory=list)
    started: list[tuple[str, ...]] = field(default_factory=list)
    environments: list[dict[str, str]] = field(default_factory=list)
    beside: list[list[str | None]] = field(default_factory=list)
    left: dict[int, int] = field(default_factory=dict)

    @property
    def gpus(self) -> list[str | None]:
        return [environment.get("CUDA_VISIBLE_DEVICES") for environment in self.environments]

    def start(self, command, env, **_):
        number = len(self.started)
        self.started.append(command)
        self.environments.append(env)
        self.left[number] = self.polls[number] if number < len(self.polls) else 2
        self.beside.append([self.gpus[other] for other in self.left])
        machine = self

        class Process:
            def poll(self):
                machine.left[number] -= 1
                if machine.left[number] > 0:
                    return None
                del machine.left[number]
                return 0

        return Process()


@pytest.fixture
def machine(monkeypatch):
    machine = Machine()
    monkeypatch.setattr(_local, "subprocess", SimpleNamespace(**{**vars(subprocess), "Popen": machine.start}))
    monkeypatch.setattr(_local, "POLL_SECONDS", 0)
    monkeypatch.setattr(sys, "argv", ["train.py"])
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)))
    return machine


def run(folder, needs, **keys):
    """Run a job per need: its keys of the cluster."""
    tasks = []
    for number in range(len(needs)):
        words = (f"seed={number}",)
        tasks.append(Task(job_of(words), words, number, words[0]))
    configs = [LocalConfig(name="local", **{**keys, **need}) for need in needs]
    LocalJobs(LocalConfig(name="local", **keys), folder).run(tasks, configs)


def test_as_many_jobs_as_gpus_run_at_once_each_with_its_own(tmp_path, monkeypatch, machine, capsys):
    pretend_gpus(tmp_path / "bin", monkeypatch, 3)
    machine.polls = [3, 1, 3, 2, 2]
    run(tmp_path, [{}] * 5)
    assert machine.gpus == ["0", "1", "2", "1", "0"]
    assert max(map(len, machine.beside)) == 3
    assert all(len(set(gpus)) == len(gpus) for gpus in machine.beside)
    assert machine.environments[0]["OMP_NUM_THREADS"] == "5"
    assert "GPU 0, 1, 2: 3 jobs at a time" in capsys.readouterr().out


def test_a_job_of_several_gpus_gets_them_first_and_is_started_by_torchrun(tmp_path, monkeypatch, machine):
    pretend_gpus(tmp_path / "bin", monkeypatch, 4)
    run(tmp_path, [{}, {"devices": 3}, {"devices": 2}, {}])
    assert machine.gpus == ["0,1,2", "3", "0,1", "2"]
    assert [("--nproc-per-node=3" in command) for command in machine.started] == [True, False, False, False]
    assert machine.started[0][1:4] == ("-m", "torch.distributed.run", "--standalone")
    assert machine.started[0][-1] == "seed=1"


def test_a_job_on_the_cpu_takes_no_gpu(tmp_path, monkeypatch, machine):
    pretend_gpus(tmp_path / "bin", monkeypatch, 1)
    run(tmp_path, [{"accelerator": "cpu"}] * 4)
    assert machine.gpus == [""] * 4
    assert max(map(len, machine.beside)) == 2


@pytest.mark.parametrize(("jobs", "threads", "at_once"), [(None, "8", 2), (4, "4", 4)])
def test_without_a_gpu_the_jobs_share_the_cores(tmp_path, monkeypatch, machine, jobs, threads, at_once):
    pretend_gpus(tmp_path / "bin", monkeypatch, 0, "0,1")
    run(tmp_path, [{}] * 5, jobs=jobs)
    assert max(map(len, machine.beside)) == at_once
    assert {environment["OMP_NUM_THREADS"] for environment in machine.environments} == {threads}
    assert set(machine.gpus) == {"0,1"}  # as the user left it


def test_a_job_waits_for_the_end_of_the_one_that_a_killed_launcher_left(tmp_path, monkeypatch, machine):
    pretend_gpus(tmp_path / "bin", monkeypatch, 0)
    write_record(tmp_path, job_of(["seed=0"]), run="run")
    held = locked(tmp_path / "run")
    held.__enter__()
    polls = []

    def wait(seconds):
        polls.append(len(machine.started))
        if len(polls) == 3:
            held.__exit__(None, None, None)

    monkeypatch.setattr(_local, "time", SimpleNamespace(sleep=wait))  # of this module alone: other threads sleep too
    run(tmp_path, [{}])
    assert polls[:4] == [0, 0, 0, 1]


def test_more_gpus_than_there_are_is_said_before_any_job_begins(tmp_path, monkeypatch, machine):
    pretend_gpus(tmp_path / "bin", monkeypatch, 2)
    with pytest.raises(UserError, match="seed=1: trainer.devices=3, but the jobs may use 2 GPUs: lower it"):
        run(tmp_path, [{}, {"devices": 3}])
    assert machine.started == []


def test_ctrl_c_while_a_job_is_looked_at_does_not_wait_for_ever(tmp_path, monkeypatch):
    jobs = LocalJobs(LocalConfig(name="local"), tmp_path)
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    process._waitpid_lock.acquire()  # as Ctrl-C within process.poll() can leave it
    jobs.running["a job"] = (process, [])

    def interrupted(tasks):
        raise KeyboardInterrupt

    monkeypatch.setattr(jobs, "_run_all", interrupted)
    with pytest.raises(KeyboardInterrupt):
        jobs.run([], [])
    assert not Path(f"/proc/{process.pid}").exists()


@pytest.mark.parametrize(
    ("count", "visible", "gpus"),
    [
        (3, None, ("0", "1", "2")),
        (4, "3, 1", ("3", "1")),
        (4, "-1", ()),
        (2, "GPU-00000001,GPU-00000000-aaaa-bbbb", ("GPU-00000001", "GPU-00000000-aaaa-bbbb")),
        (2, "", ()),
        (0, "0,1", ()),  # the variable names what is not there
    ],
)
def test_the_gpus_are_those_of_the_variable_or_all(tmp_path, monkeypatch, count, visible, gpus):
    pretend_gpus(tmp_path / "bin", monkeypatch, count, visible)
    assert find_gpus() == gpus
