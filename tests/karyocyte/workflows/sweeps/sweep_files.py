"""The files of a sweep and its runs, as their processes leave them."""

import os
import socket
import time
from pathlib import Path

from karyocyte.common.files import write_json
from karyocyte.runs.run import Run
from karyocyte.runs.sweeps import Job, Sweep, job_of, sweep_folder, write_record, write_sweep

ELSEWHERE = "node7"
METRIC = {"value": 0.9, "low": 0.85, "high": 0.94}


def write_jobs(
    output_dir: Path, overrides: list[list[str]], name: str = "grid", cluster: str = "slurm"
) -> tuple[Path, list[Job]]:
    """Write sweep.json; return the sweep's folder and its jobs."""
    jobs = [job_of(words) for words in overrides]
    folder = sweep_folder(output_dir, name, jobs)
    write_sweep(folder, Sweep(tuple(jobs), cluster, ("train.py", "-m")))
    return folder, jobs


def grid(seeds: int = 6) -> list[list[str]]:
    """Overrides of jobs that differ in their seeds alone."""
    return [["+experiment=scratch_cnn_d128", "weights=random", f"seed={seed}"] for seed in range(seeds)]


def note(folder: Path, job: Job, status: str, run: Path | None = None, **facts) -> None:
    """Write a job's record, by default of a process of another machine."""
    place = {"host": ELSEWHERE, "pid": 1, "slurm_job": None, "attempts": 1, "error": None, "kind": "run"}
    facts = {**place, "started": time.time() - 600, "run": None if run is None else str(run), **facts}
    write_record(folder, job, status=status, **facts)


def note_long_ago(folder: Path, job: Job, **facts) -> None:
    """Write the record of a running job that was written twenty minutes ago."""
    note(folder, job, "running", **facts)
    path = folder / "jobs" / f"{job.key}.json"
    path.write_text(path.read_text().replace('"updated": ', '"updated": 1, "once": '))


def here() -> dict:
    """The place of this very process."""
    return {"host": socket.gethostname(), "pid": os.getpid()}


def write_progress(run: Path) -> Path:
    """Write progress.json of a run in the third of ten epochs of its second stage of two; return the folder."""
    progress = {"stage": 2, "stages": 2, "stage_name": "finetune", "epoch": 3, "epochs": 10, "step": 25}
    progress |= {"monitor": "val/auc", "best": 0.9123, "updated": time.time() - 60}
    write_json(run / "progress.json", progress)
    return run


def write_finished(run: Path) -> Path:
    """Write state and metrics of a finished run; return the folder."""
    figure = {"part": "test", "section": "metrics", "name": "f1_weighted", **METRIC}
    write_json(run / "metrics.json", {"figures": [figure]})
    Run(run).write_status("finished", images_seen=800, wall_seconds=90.0)
    return run
