"""The files of a sweep and its runs, as their processes leave them."""

import os
import socket
import time
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner, Result

from common.cli import console
from common.files import write_json, write_text
from common.runs.sweeps import Job, Sweep, job_of, sweep_folder, write_record, write_sweep

ELSEWHERE = "node7"
METRICS = {"f1_weighted": (0.9, 0.85, 0.94), "accuracy": (0.91, 0.86, 0.95), "auc": (0.97, None, None)}


def call_app(app: typer.Typer, *arguments: object, width: int) -> tuple[Result, str]:
    """Call a command in a terminal of so many characters; return the result, and the output in one line."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(console, "_width", width)
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result, " ".join(result.output.split())


def write_jobs(output_dir: Path, overrides: list[list[str]], name: str = "grid") -> tuple[Path, list[Job]]:
    """Write sweep.json; return the sweep's folder and its jobs."""
    jobs = [job_of(words) for words in overrides]
    folder = sweep_folder(output_dir, name, jobs)
    write_sweep(folder, Sweep(name, tuple(jobs), "slurm", ("train.py", "-m"), str(output_dir)))
    return folder, jobs


def grid(seeds: int = 6) -> list[list[str]]:
    """Overrides of jobs that differ in their seeds alone."""
    return [["+experiment=scratch_cnn_d128", "weights=random", f"seed={seed}"] for seed in range(seeds)]


def note(folder: Path, job: Job, status: str, run: Path | None = None, **facts) -> None:
    """Write a job's record, by default of a process of another machine."""
    place = {"host": ELSEWHERE, "pid": 1, "slurm_job": None, "attempts": 1, "error": None, "kind": "run"}
    facts = {**place, "started": time.time() - 600, "run": None if run is None else str(run), **facts}
    write_record(folder, job.key, overrides=list(job.overrides), status=status, **facts)


def here() -> dict:
    """The place of this very process."""
    return {"host": socket.gethostname(), "pid": os.getpid()}


def write_progress(run: Path, **facts) -> None:
    """Write progress.json of a run in the third of ten epochs of its second stage of two."""
    progress = {"stage": 2, "stages": 2, "stage_name": "finetune", "epoch": 3, "epochs": 10, "step": 25, "steps": 100}
    progress |= {"over": False, "images_seen": 4000, "monitor": "val/auc", "best": 0.9123, "seconds": 100.0}
    progress |= {"seconds_left": 300.0, "updated": time.time(), "processes": 1, "host": ELSEWHERE, "pid": 1}
    write_json(run / "progress.json", {**progress, **facts})


def write_finished(run: Path, name: str = "net", protocol: str = "subject", fold: int = 0, seed: int = 0) -> Path:
    """Write what is read of a finished run: its state, its configuration and its metrics; return the folder."""
    write_json(run / "status.json", {"status": "finished", "images_seen": 800, "wall_seconds": 90.0})
    config = {"name": name, "protocol": protocol, "split": {"fold": fold}, "seed": seed}
    write_text(run / "config.yaml", yaml.safe_dump(config))
    metrics = {key: dict(zip(("value", "low", "high"), ends, strict=True)) for key, ends in METRICS.items()}
    write_json(run / "metrics.json", {"test": {"metrics": metrics}})
    return run


def age(path: Path, seconds: float) -> None:
    """Make everything in a folder, or a file, as old as that."""
    then = time.time() - seconds
    for each in [path, *path.rglob("*")]:
        os.utime(each, (then, then))
