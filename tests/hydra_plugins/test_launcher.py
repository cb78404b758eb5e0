"""A multirun as a user types it: what runs, what is left out, what is told at the end."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

from common.config.cluster import LocalConfig
from common.errors import UserError
from common.paths import ROOT
from common.runs.lifecycle import locked
from common.sweeps.jobs import Task
from common.sweeps.records import job_of, read_record, read_sweep, write_record
from hydra_plugins.karyocyte._slurm import read_submitted
from hydra_plugins.karyocyte.launcher import VANISHED, KaryocyteLauncher
from tests.cluster.slurm import wait_for


def multirun(tmp_path: Path, *overrides: str) -> list[str]:
    places = [f"output_dir={tmp_path / 'outputs'}", f"cache_dir={tmp_path / 'cache'}"]
    return [sys.executable, "-m", "tests.hydra_plugins.light_jobs", "-m", "data=synthetic", *places, *overrides]


def call(tmp_path: Path, *overrides: str) -> subprocess.CompletedProcess:
    return subprocess.run(multirun(tmp_path, *overrides), cwd=ROOT, capture_output=True, text=True, check=False)


def the_sweep(tmp_path: Path) -> Path:
    (folder,) = (tmp_path / "outputs" / "sweeps").iterdir()
    return folder


def by_seed(folder: Path) -> dict[str, dict]:
    """The record of each job, by its seed."""
    records = [json.loads(path.read_text()) for path in folder.glob("jobs/[!.]*.json")]
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


def test_an_older_failure_is_not_the_end_of_a_job_that_left_no_word(tmp_path, monkeypatch):
    runs = []
    monkeypatch.setattr(KaryocyteLauncher, "_run_once", lambda self, cluster, folder, tasks: runs.extend(tasks))
    job = job_of(["seed=0"])
    write_record(tmp_path, job.key, status="failed", error="a mistake of yesterday")
    KaryocyteLauncher()._run(LocalConfig(name="local", retries=2), tmp_path, [Task(job, job.overrides, 0, "seed=0")])
    record = read_record(tmp_path, job.key)
    assert (len(runs), record["status"], record["error"]) == (3, "lost", VANISHED)


def test_ctrl_c_ends_the_jobs_of_this_machine_and_they_say_so(tmp_path):
    command = multirun(tmp_path, "+cluster=local", "seed=7,8,0")
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_for(lambda: len(list(tmp_path.glob("outputs/seed=*/calls"))) == 2, "two jobs to run")
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "interrupted" in stdout
    statuses = {seed: record["status"] for seed, record in by_seed(the_sweep(tmp_path)).items()}
    assert statuses == {"7": "interrupted", "8": "interrupted"}


def test_a_damaged_list_of_submitted_jobs_is_not_taken_for_none(tmp_path):
    assert read_submitted(tmp_path) == {}
    (tmp_path / "slurm.json").write_text('{"0a')
    with pytest.raises(UserError, match=r"slurm\.json"):
        read_submitted(tmp_path)


def test_needs_are_those_of_the_composed_job(tmp_path):
    """Of an experiment that needs two devices, too: it is composed, not read from what is typed alone."""
    composed_for = []

    def compose(config, overrides):
        composed_for.append(overrides)
        values = {"name": "slurm", "tasks_per_node": 2 if "+experiment=big" in overrides else 1}
        return OmegaConf.create({"cluster": values})

    launcher = KaryocyteLauncher()
    launcher.config = OmegaConf.create()
    launcher.hydra_context = SimpleNamespace(config_loader=SimpleNamespace(load_sweep_config=compose))
    typed = [(f"+experiment={name}", f"seed={seed}") for name in ("small", "big") for seed in (0, 1)]
    tasks = [Task(job_of(words), words, number, "") for number, words in enumerate(typed)]
    assert [need.tasks_per_node for need in launcher._needs(tasks)] == [1, 1, 2, 2]
    assert composed_for == [["+experiment=small"], ["+experiment=big"]]
