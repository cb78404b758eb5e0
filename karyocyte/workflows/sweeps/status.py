"""The status of a sweep's jobs, read from files alone, while others write them, and its table for the terminal."""

import os
import socket
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from rich.console import Group

from karyocyte.common.cli import console
from karyocyte.common.files import read_whole_json
from karyocyte.common.text import counted
from karyocyte.evaluation.tables.renderers import terminal
from karyocyte.evaluation.types.formats import interval
from karyocyte.evaluation.types.result import TEST, Kind
from karyocyte.evaluation.types.table import Table
from karyocyte.runs.files import RunFile
from karyocyte.runs.run import Run
from karyocyte.runs.sweeps import names, read_sweep, run_of

SILENCE = 300.0  # seconds without a file written after which a run on another machine counts as lost
NOT_SUBMITTED = "not submitted"  # to Slurm: sbatch refuses it, or the command has not come to it yet
METRIC = (TEST, Kind.AT_HALF, "f1_weighted")  # of a finished run's test images; the papers' main figure


@dataclass(frozen=True)
class JobStatus:
    """The status of one job, by the overrides that tell it from the others.

    ``state`` is "waiting", "running", "finished", NOT_SUBMITTED, "failed", "preempted", "interrupted" or "lost",
    ``reason`` why it is none of the first four, ``seconds`` the wall time of its latest attempt.
    """

    name: str
    state: str
    run: Run | None = None
    reason: str = ""
    seconds: float | None = None

    @property
    def progress(self) -> str:
        """The test metric of a finished job with its interval; stage, epoch and best metric so far of another one."""
        if self.run is None or self.state == "waiting":
            return ""
        if self.state == "finished":
            rows = read_whole_json(self.run.path(RunFile.METRICS)).get("figures", [])
            found = [row for row in rows if (row["part"], row["section"], row["name"]) == METRIC]
            return f"weighted F1 {interval(found[0]['value'], found[0]['low'], found[0]['high'])}" if found else ""
        progress = self.run.progress
        if progress.epoch is None:
            return ""
        text = f"{progress.stage_name} ({progress.stage}/{progress.stages}) epoch {progress.epoch}/{progress.epochs}"
        if progress.best is not None:
            text += f", {progress.monitor or 'best'} {progress.best:.3f}"
        return text


def sweep_statuses(folder: Path) -> list[JobStatus]:
    """Return the status of each job of a sweep, in its order.

    A process of this machine is lost as soon as it is gone, one of another once it is silent for ``SILENCE``.
    """
    sweep = read_sweep(folder)
    statuses = []
    for key, name in names(sweep.jobs).items():
        record = read_whole_json(folder / "jobs" / f"{key}.json")
        status = _job_status(name, folder, record)
        if sweep.cluster == "slurm" and status.state == "waiting" and not (status.reason or record.get("slurm_job")):
            status = replace(status, state=NOT_SUBMITTED)
        statuses.append(status)
    return statuses


def _job_status(name: str, folder: Path, record: Mapping[str, Any]) -> JobStatus:
    run = run_of(folder, record)
    state = record.get("status", "waiting")
    reason = str(record.get("error") or "")
    if state == "running":
        reason = _absence(record, run)
        if reason:
            state = "lost"
    if state == "finished" and run and not run.is_finished:
        return JobStatus(name, "waiting", reason="its run's folder is gone, or not complete: the sweep completes it")
    seconds = None
    if {"started", "updated"} <= record.keys() and state != "waiting":
        end = time.time() if state == "running" else record["updated"]
        seconds = max(0.0, end - record["started"])  # the clock may have been set back
    return JobStatus(name, state, run, reason, seconds)


def _absence(record: Mapping[str, Any], run: Run | None) -> str:
    """Why a job that should run does not; "" where it does."""
    if record.get("host") == socket.gethostname() and isinstance(record.get("pid"), int):
        return "" if process_exists(record["pid"]) else f"process {record['pid']} is gone"
    change = run.last_change() if run else None
    silence = time.time() - max(change or 0.0, record.get("updated", 0.0))
    if silence <= SILENCE:
        return ""
    return f"no sign of life for {_duration(silence)} on {record.get('host')}"


def process_exists(pid: int) -> bool:
    """Tell whether a process of this machine exists and has not ended."""
    try:
        os.kill(pid, 0)
        # A process that has ended, and that nobody has asked for its exit code, keeps its number.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except (OSError, IndexError):  # it is another user's, or this is no Linux
        return True


def _duration(seconds: float | None) -> str:
    return "" if seconds is None else str(timedelta(seconds=round(seconds)))


def status_report(title: str, statuses: Sequence[JobStatus]) -> Group:
    """Draw the status of a sweep's jobs: the counts, a row each, and the reasons of failures."""
    counts = Counter(status.state for status in statuses)
    summary = ", ".join(f"{count} {state}" for state, count in counts.items())
    rows, reasons = [], []
    for status in statuses:
        time_taken = _duration(status.seconds)
        rows.append({"job": status.name, "state": status.state, "progress": status.progress, "time": time_taken})
        if status.reason:
            # The last line of a traceback says what happened.
            reasons.append(f"{status.state}: {status.name}: {status.reason.strip().splitlines()[-1]}")
    return terminal(Table.of(f"{title}: {counted(len(statuses), 'job')}: {summary}", rows, notes=tuple(reasons)))


def show_status(folder: Path) -> None:
    """Print the jobs of a sweep; exit with 1 where one is bad."""
    statuses = sweep_statuses(folder)
    console.print(status_report(folder.name, statuses))
    if any(status.state in ("failed", "lost") for status in statuses):
        raise SystemExit(1)
