"""A multirun as a user types it: what runs, what is left out, what is told at the end."""

import json
import subprocess
import sys
from pathlib import Path

from common.paths import ROOT
from common.runs.lifecycle import locked
from common.sweeps.records import job_of, read_record, read_sweep, write_record
from hydra_plugins.karyocyte._tasks import Task
from hydra_plugins.karyocyte.launcher import VANISHED, _run_again


def call(tmp_path: Path, *overrides: str) -> subprocess.CompletedProcess:
    places = [f"output_dir={tmp_path / 'outputs'}", f"cache_dir={tmp_path / 'cache'}"]
    command = [sys.executable, "-m", "tests.helpers.light_jobs", "-m", "data=synthetic", *places, *overrides]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def the_sweep(tmp_path: Path) -> Path:
    (folder,) = (tmp_path / "outputs" / "sweeps").iterdir()
    return folder


def by_seed(folder: Path) -> dict[str, dict]:
    """The record of each job, by its seed."""
    records = [read_record(folder, job.key) for job in read_sweep(folder).jobs]
    return {next(word for word in record["overrides"] if "seed=" in word)[5:]: record for record in records}


def calls(tmp_path: Path, seed: int) -> int:
    return len((tmp_path / "outputs" / f"seed={seed}" / "calls").read_text().splitlines())


def test_one_after_another_a_failure_stops_nothing_and_only_what_is_missing_runs_again(tmp_path):
    first = call(tmp_path, "seed=0,3,4,1")
    assert first.returncode == 1
    assert first.stderr.splitlines()[-1].startswith("error: 2 of the jobs failed: seed=3: seed=3 is a mistake | seed=4")
    assert "2 of 4 jobs are finished" in first.stdout
    folder = the_sweep(tmp_path)
    records = by_seed(folder)
    assert {seed: record["status"] for seed, record in records.items()} == {
        "0": "finished",
        "1": "finished",
        "3": "failed",
        "4": "failed",
    }
    assert records["4"]["error"] == "ZeroDivisionError: a bug"
    assert read_sweep(folder).cluster == "none"

    again = call(tmp_path, "seed=0,3,4,1")
    assert again.returncode == 1
    assert "2 of 4 jobs are done already" in again.stdout
    assert [calls(tmp_path, seed) for seed in (0, 1, 3, 4)] == [1, 1, 2, 2]
    assert the_sweep(tmp_path) == folder


def test_a_second_command_for_the_same_sweep_leaves_it_alone(tmp_path):
    assert call(tmp_path, "seed=0,1").returncode == 0
    (tmp_path / "outputs" / "seed=1" / "status.json").unlink()
    with locked(the_sweep(tmp_path)):
        done = call(tmp_path, "seed=0,1")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert done.stderr.startswith("error: another command runs this very sweep")
    assert calls(tmp_path, 1) == 1


def test_a_job_whose_run_was_removed_is_run_again(tmp_path):
    assert call(tmp_path, "seed=0,1").returncode == 0
    (tmp_path / "outputs" / "seed=1" / "status.json").unlink()
    assert call(tmp_path, "seed=0,1").returncode == 0
    assert (calls(tmp_path, 0), calls(tmp_path, 1)) == (1, 2)


def test_on_this_machine_a_killed_process_is_run_again_and_the_others_are_not_lost(tmp_path):
    done = call(tmp_path, "+cluster=local", "seed=0,5,3,1,2")
    assert done.returncode == 1, done.stderr
    assert "error: 1 of the jobs failed: seed=3: seed=3 is a mistake" in done.stderr
    assert "seed=5: its process ended without a word" in done.stdout
    records = by_seed(the_sweep(tmp_path))
    assert {seed for seed, record in records.items() if record["status"] == "finished"} == {"0", "1", "2", "5"}
    assert calls(tmp_path, 5) == 2
    assert (the_sweep(tmp_path) / "logs" / f"{records['3']['key']}.log").exists()


def test_a_job_that_is_killed_each_time_is_given_up_and_said(tmp_path):
    done = call(tmp_path, "+cluster=local", "cluster.retries=1", "seed=6,0")
    assert done.returncode == 1
    assert "error: 1 of the jobs failed: seed=6: its process ended without a word" in done.stderr
    assert calls(tmp_path, 6) == 2
    assert by_seed(the_sweep(tmp_path))["6"]["status"] == "lost"


def test_where_jobs_run_is_no_part_of_what_they_are(tmp_path):
    assert call(tmp_path, "seed=0,1").returncode == 0
    done = call(tmp_path, "+cluster=local", "cluster.jobs=1", "seed=0,1")
    assert "2 of 2 jobs are done already" in done.stdout
    assert json.loads((the_sweep(tmp_path) / "sweep.json").read_text())["cluster"] == "local"


def test_without_slurm_the_error_says_so_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    done = call(tmp_path, "+cluster=slurm", "seed=0,1")
    assert done.returncode == 1
    assert done.stderr.strip().splitlines() == [
        "error: +cluster=slurm: there is no sbatch on this machine: call it on a login node of the cluster, "
        "or take +cluster=local"
    ]
    assert not (tmp_path / "outputs").exists()


def test_under_torchrun_the_jobs_are_not_started_by_each_of_its_processes(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    done = call(tmp_path, "seed=0,1")
    assert done.returncode == 1
    assert done.stderr.startswith("error: -m under torchrun")
    assert not (tmp_path / "outputs").exists()


def test_an_older_failure_is_not_how_a_job_has_ended_that_left_no_word(tmp_path):
    class Silent:
        calls = 0

        def run(self, folder, tasks):
            self.calls += len(tasks)

    job, backend = job_of(["seed=0"]), Silent()
    write_record(tmp_path, job.key, status="failed", error="a mistake of yesterday")
    _run_again(backend, 2, tmp_path, [Task(job, job.overrides, 0, "seed=0")])
    record = read_record(tmp_path, job.key)
    assert (backend.calls, record["status"], record["error"]) == (3, "lost", VANISHED)
