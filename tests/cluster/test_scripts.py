"""scripts/sbatch.py on a real Slurm: an array of runs, and workers of one search."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pandas as pd

from common.paths import ROOT
from common.runs.run import Run
from tests.cluster.slurm import SLURM, Cluster, records, wait_for
from tests.helpers.training import SMALL

CLUSTER = [word for word in SLURM if word.startswith(("+cluster", "cluster."))]
NET = ["model=resnet18", "model.cut=layer1", "unfreeze=head_only"]


def submit(cluster: Cluster, folder: Path, *overrides: str) -> str:
    """Write a script and submit it; return the id of its array."""
    places = [f"output_dir={folder / 'outputs'}", f"cache_dir={folder / 'cache'}"]
    command = [
        sys.executable,
        ROOT / "scripts" / "sbatch.py",
        "-m",
        "--force",
        *CLUSTER,
        *SMALL,
        *NET,
        *places,
        *overrides,
    ]
    folder.mkdir(exist_ok=True)
    subprocess.run(command, check=True, cwd=folder, env=cluster.environment, capture_output=True)
    return cluster.call("sbatch", "--parsable", str(folder / "job.sbatch"))


def wait_for_end(cluster: Cluster, job: str) -> None:
    listing = ["squeue", "--noheader", "--array", "--format=%i"]
    wait_for(
        lambda: not any(line.startswith(f"{job}_") for line in cluster.call(*listing).split()), f"the end of {job}"
    )


def test_an_array_runs_its_jobs_and_once_more_only_what_is_missing(cluster, tmp_path):
    folder = tmp_path / "an array's #1"  # a name that wants quotes
    typed = ["seed=0,1,2", "trainer.max_epochs=1"]
    wait_for_end(cluster, submit(cluster, folder, *typed))
    found = records(folder)
    assert {record["status"] for record in found.values()} == {"finished"}
    assert all(Run(Path(record["run"])).is_finished for record in found.values())
    trained = {path: path.stat().st_mtime_ns for path in (folder / "outputs").rglob("best.ckpt")}
    assert len(trained) == 3

    path, gone = next(iter(trained)), next(iter(trained)).parents[2]
    subprocess.run(["rm", "-r", gone], check=True)
    wait_for_end(cluster, submit(cluster, folder, *typed))
    again = {path: path.stat().st_mtime_ns for path in (folder / "outputs").rglob("best.ckpt")}
    assert again.keys() == trained.keys()
    assert [found for found in trained if again[found] != trained[found]] == [path]


def test_a_killed_worker_of_a_search_loses_its_trial_alone(cluster, tmp_path):
    chosen = ["+search=lr_batch", "search.startup_trials=9", "search.pruner.name=none", "search.trials=5"]
    chosen += ["search.space.loader.batch_size.choices=[4]", "search.heartbeat_seconds=3", "trainer.max_epochs=8"]
    job = submit(cluster, tmp_path, *chosen, "search.worker=range(0,2)")
    key = "search.worker=1"
    wait_for(lambda: list(tmp_path.glob("outputs/custom/*/seed=0/logs")), "a first trial")
    doomed = wait_for(lambda: records(tmp_path).get(key), "the second worker")
    wait_for(lambda: doomed["pid"] in owners(tmp_path), "a trial of the second worker")
    os.kill(doomed["pid"], signal.SIGKILL)
    wait_for_end(cluster, job)
    if len(trials(tmp_path)) < 6:  # the other worker had ended before it could know
        wait_for_end(cluster, submit(cluster, tmp_path, *chosen, "search.worker=range(0,2)"))
    found = trials(tmp_path)
    assert sorted(found["state"]) == ["finished"] * 5 + ["repeated"]
    repeated = found[found["state"] == "repeated"].iloc[0]
    assert f"its process ({doomed['pid']} on " in repeated["message"]
    assert (found["unfreeze.lr"] == repeated["unfreeze.lr"]).sum() == 2


def trials(folder: Path) -> pd.DataFrame:
    return pd.read_csv(next(folder.glob("outputs/studies/*/trials.csv")))


def owners(folder: Path) -> set[int]:
    """Return the processes of all trials of the search so far."""
    found = set()
    for path in folder.glob("outputs/studies/*/study.db"):
        with sqlite3.connect(path) as database:
            rows = database.execute("select value_json from trial_user_attributes where key = 'pid'")
            found |= {int(value) for (value,) in rows}
    return found
