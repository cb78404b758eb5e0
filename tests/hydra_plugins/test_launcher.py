"""A multirun as a user types it: what runs, what is left out, what is reported at the end."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hydra_plugins.karyocyte._multirun import VANISHED
from hydra_plugins.karyocyte._multirun import Multirun as Launched
from karyocyte.common.files import write_text
from karyocyte.common.paths import ROOT
from karyocyte.config.cluster import LocalConfig
from karyocyte.runs.lifecycle import locked
from karyocyte.runs.sweeps import job_of, read_record, read_sweep, write_record
from karyocyte.workflows.sweeps.jobs import command_line
from karyocyte.workflows.sweeps.status import process_exists
from karyocyte.workflows.sweeps.tasks import Task
from tests import processes
from tests.cluster.slurm import wait_for
from tests.helpers.gpus import pretend_gpus
from tests.hydra_plugins import light_jobs


class Multirun:
    """A multirun of light jobs below a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def words(self, *overrides: str) -> list[str]:
        places = [f"output_dir={self.folder / 'outputs'}", f"cache_dir={self.folder / 'cache'}"]
        return ["-m", "data=synthetic", "weights=random", *places, *overrides]

    def command(self, *overrides: str) -> list[str]:
        return [sys.executable, "-m", "tests.hydra_plugins.light_jobs", *self.words(*overrides)]

    def __call__(self, *overrides: str) -> subprocess.CompletedProcess:
        """Run the command in a process that has imported what it needs already."""
        printed, errors = self.folder / "printed.txt", self.folder / "errors.txt"
        process = processes.start(printed, dict(os.environ), _launch, errors, self.words(*overrides))
        code = processes.exit_code(process)
        return subprocess.CompletedProcess([], code, printed.read_text(), errors.read_text())

    @property
    def sweep(self) -> Path:
        (folder,) = (self.folder / "outputs" / "sweeps").iterdir()
        return folder

    def record_list(self) -> list[dict]:
        return [json.loads(path.read_text()) for path in self.sweep.glob("jobs/[!.]*.json")]

    def records(self) -> dict[str, dict]:
        """The record of each job, by its seed."""
        records = self.record_list()
        return {next(word for word in record["overrides"] if "seed=" in word)[5:]: record for record in records}

    def statuses(self) -> dict[str, str]:
        return {seed: record["status"] for seed, record in self.records().items()}

    def calls(self, *seeds: int) -> list[int]:
        """How often the job of each seed was called."""
        return [len(self.pids(seed)) for seed in seeds]

    def pids(self, seed: int | str = "*") -> list[int]:
        """The processes in which the job of a seed was called, or that of any."""
        return [int(pid) for file in self.folder.glob(f"outputs/seed={seed}/calls") for pid in file.read_text().split()]


def _launch(errors: Path, words: list[str]) -> None:
    with open(errors, "wb") as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
    os.chdir(ROOT)
    sys.argv = [str(light_jobs.__file__), *words]
    with command_line():
        light_jobs.main()


@pytest.fixture
def multirun(tmp_path):
    return Multirun(tmp_path)


def test_one_after_another_a_failure_stops_nothing_and_only_what_is_missing_runs_again(multirun):
    first = multirun("seed=0,3,4,1")
    assert first.returncode == 1
    assert first.stderr.splitlines()[-1] == "error: jobs failed, see above"
    assert "failed seed=3: seed=3 is a mistake" in first.stdout
    assert "2 of 4 jobs are finished" in first.stdout
    folder = multirun.sweep
    assert multirun.statuses() == {"0": "finished", "1": "finished", "3": "failed", "4": "failed"}
    assert multirun.records()["4"]["error"] == "ZeroDivisionError: a bug"
    assert read_sweep(folder).cluster == "none"

    again = multirun("seed=0,3,4,1")
    assert again.returncode == 1
    assert "2 of 4 jobs are done already" in again.stdout
    assert multirun.calls(0, 1, 3, 4) == [1, 1, 2, 2]
    assert multirun.sweep == folder


def test_what_cannot_begin_is_said_before_the_other_jobs_and_the_weights_are_looked_for_once(multirun, monkeypatch):
    monkeypatch.delenv("KARYOCYTE_WEIGHTS_DIR", raising=False)
    done = multirun("model=resnet18", "weights=random,resnet18.absent", "protocol=image,images", "seed=0,1")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    said = [line for line in lines if "jobs that cannot begin: " in line]
    assert len(said) == 2
    assert "protocol: Input should be" in said[0]
    assert "weights=resnet18.absent: no such tag" in said[1]
    assert "2 of 8 jobs are finished" in done.stdout
    assert multirun.calls(0, 1) == [1, 1]
    assert sorted(record["status"] for record in multirun.record_list()) == ["failed"] * 6 + ["finished"] * 2


def test_a_second_command_leaves_a_sweep_alone_and_a_later_one_runs_what_was_removed(multirun, tmp_path):
    assert multirun("seed=0,1").returncode == 0
    (tmp_path / "outputs" / "seed=1" / "status.json").unlink()
    with locked(multirun.sweep):
        done = multirun("seed=0,1")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert done.stderr.startswith("error: another command runs this very sweep")
    assert multirun.calls(1) == [1]
    # Where jobs run is no part of what they are.
    done = multirun("+cluster=local", "cluster.jobs=1", "seed=0,1")
    assert "1 of 2 jobs are done already" in done.stdout
    assert multirun.calls(0, 1) == [1, 2]
    assert read_sweep(multirun.sweep).cluster == "local"


def test_on_this_machine_a_killed_process_is_run_again_and_the_others_are_not_lost(multirun):
    done = multirun("+cluster=local", "cluster.retries=1", "trainer.accelerator=cpu", "seed=0,5,6,3,1")
    assert done.returncode == 1, done.stderr
    assert "error: jobs failed" in done.stderr
    assert "failed seed=6: its process ended without a status" in done.stdout
    assert "seed=5: its process ended without a status" in done.stdout
    assert multirun.statuses() == {"0": "finished", "1": "finished", "3": "failed", "5": "finished", "6": "lost"}
    assert multirun.calls(5, 6) == [2, 2]
    assert (multirun.sweep / "logs" / f"{multirun.records()['3']['key']}.log").exists()


@pytest.mark.parametrize("where", [["seed=0,1"], ["+cluster=local", "seed=0"]], ids=["in turn", "local"])
def test_the_jobs_of_an_own_experiment_find_it(multirun, tmp_path, monkeypatch, where):
    experiment = tmp_path / "mine" / "experiment" / "mine.yaml"
    experiment.parent.mkdir(parents=True)
    experiment.write_text("# @package _global_\ndefaults: [mobilenetv2_cut, _self_]\nname: mine\n")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    command = [*multirun.command("+experiment=mine", *where), "--config-dir", "mine"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(multirun.statuses().values()) == {"finished"}


def test_a_job_finds_its_own_gpus_and_its_processes_are_one_job(multirun, tmp_path, monkeypatch):
    pretend_gpus(tmp_path / "bin", monkeypatch, 4, "3,1,2")
    done = multirun("+cluster=local", "seed=0", "trainer.devices=1,2")
    assert done.returncode == 0, done.stderr
    records = multirun.record_list()
    assert {record["status"] for record in records} == {"finished"}
    of_two = {record["gpus"] for record in records if "trainer.devices=2" in record["overrides"]}
    of_one = {record["gpus"] for record in records if "trainer.devices=1" in record["overrides"]}
    assert of_two == {"3,1"}
    assert "2" in of_one
    assert multirun.calls(0) == [3]  # a call by each of two processes, and one by the job of one


@pytest.mark.parametrize(
    ("variable", "overrides", "error"),
    [
        ("PATH", ["+cluster=slurm", "loss=absent,cross_entropy"], "error: +cluster=slurm: there is no sbatch"),
        ("TORCHELASTIC_RUN_ID", [], "error: -m under torchrun"),
        ("HOME", ["--config-dir", "mein"], "error: --config-dir mein: there is no such folder"),
        ("HOME", ["+sweep=own", "--config-dir={}"], "error: the file of +sweep=own sets trainer for no job"),
    ],
)
def test_where_no_jobs_can_be_started_one_line_says_so(multirun, tmp_path, monkeypatch, variable, overrides, error):
    monkeypatch.setenv(variable, str(tmp_path))
    write_text(tmp_path / "sweep" / "own.yaml", "# @package _global_\ntrainer: {max_epochs: 3}")
    done = multirun("seed=0,1", *[word.format(tmp_path) for word in overrides])
    assert done.returncode == 1
    assert done.stderr.startswith(error)
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "outputs").exists()


def test_an_older_failure_is_not_the_end_of_a_job_whose_process_vanished(tmp_path, monkeypatch):
    runs = []
    monkeypatch.setattr(Launched, "_run_once", lambda self, folder, tasks: runs.extend(tasks))
    job = job_of(["seed=0"])
    write_record(tmp_path, job, status="failed", error="a mistake of yesterday")
    launched = Launched(LocalConfig(name="local", retries=2), None, None, None)
    launched._run_all(tmp_path, [Task(job, job.overrides, 0, "seed=0")])
    record = read_record(tmp_path, job.key)
    assert (len(runs), record["status"], record["error"]) == (3, "lost", VANISHED)


@pytest.mark.parametrize(
    ("signum", "status"),
    [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "preempted"), (signal.SIGKILL, "preempted")],
)
def test_a_launcher_that_is_interrupted_or_killed_takes_its_jobs_with_it(multirun, tmp_path, signum, status):
    with open(tmp_path / "printed", "w") as printed:
        command = multirun.command("+cluster=local", "seed=7,8,0")
        process = subprocess.Popen(command, cwd=ROOT, stdout=printed, stderr=subprocess.DEVNULL)
    wait_for(lambda: len(multirun.pids()) == 2, "two jobs to run")
    jobs = multirun.pids()
    process.send_signal(signum)
    assert (process.wait() == 130) == (signum == signal.SIGINT)
    assert ("the same command goes on" in (tmp_path / "printed").read_text()) == (signum == signal.SIGINT)
    wait_for(lambda: not any(map(process_exists, jobs)), "the jobs to end")
    assert multirun.statuses() == {"7": status, "8": status}
