"""The status of a sweep's jobs, or of runs, read from files alone, while others write them."""

import os
import socket
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import Any

from common.errors import UserError
from common.files import read_whole_json
from common.runs.files import RunFile
from common.runs.run import Progress, Run
from common.runs.sweeps import Job, read_sweep

SILENCE = 300.0  # seconds without a file written after which a run on another machine counts as lost
ORDER = ("finished", "running", "waiting", "preempted", "pruned", "interrupted", "failed", "lost")
TO_COME = ("waiting", "preempted", "running")
BAD = ("failed", "lost")
SILENT = "silent"  # the note of a process that exists, and has not written anything for a while
ADDRESS = "address"  # the hash in the name of a run's folder
METRIC = "f1_weighted"  # of a finished run's test images; the papers' main figure
GONE = "its run's folder is gone or not finished: the sweep trains it again"


@dataclass(frozen=True)
class JobStatus:
    """The status of one job, or of one run.

    Attributes:
        key: The job's key; the run's folder where there is no sweep.
        overrides: Values by key, such as {"experiment": "resnet18", "seed": "0"}.
        state: One of ``ORDER``.
        record: The job's record, see ``common.runs.sweeps``; {} without a sweep.
        progress: How far its training is.
        note: A remark on its state.
        last_change: When it last wrote a file, seconds since the epoch.
    """

    key: str
    overrides: Mapping[str, str]
    state: str
    run: Run | None = None
    record: Mapping[str, Any] = field(default_factory=dict)
    progress: Progress = Progress()
    error: str | None = None
    note: str | None = None
    last_change: float | None = None

    @property
    def is_bad(self) -> bool:
        """Whether it failed or was lost."""
        return self.state in BAD

    @property
    def host(self) -> str | None:
        """The machine that it runs on, or ran."""
        return self.record.get("host") or self.progress.host

    @property
    def folder(self) -> str | None:
        """The folder of its run; None where it has none yet."""
        return str(self.run.folder) if self.run else None

    @property
    def gpus(self) -> str | None:
        """The GPUs of this machine that the job was given, such as "2,3"; None without, and under Slurm."""
        return None if self.record.get("slurm_job") else self.record.get("gpus")

    @property
    def seconds(self) -> float | None:
        """Wall time so far: as measured, else as its training says, else as its record does; None where unknown."""
        seconds: float | None = None
        if self.state in ("finished", "failed") and {"started", "updated"} <= self.record.keys():
            seconds = max(0.0, self.record["updated"] - self.record["started"])  # the clock may have been set back
        if self.state == "running" and self.progress.seconds is not None:
            seconds = self.progress.seconds
        elif self.run and self.run.usage:
            seconds = self.run.usage["wall_seconds"]
        elif self.run and self.state == "finished" and self.run.status.wall_seconds is not None:
            seconds = self.run.status.wall_seconds
        return seconds

    @property
    def seconds_left(self) -> float | None:
        """Seconds that a running job may still take at the present pace, at most; None where unknown."""
        left = self.progress.seconds_left
        if self.state != "running" or left is None:
            return None
        since = time.time() - self.progress.updated
        return float(max(0.0, left - max(0.0, since)))

    @property
    def metric(self) -> Mapping[str, float | None]:
        """The test metric with its interval: "value", "low", "high"; {} where there is none yet."""
        if self.run is None or self.state != "finished":
            return {}
        test = read_whole_json(self.run.path(RunFile.METRICS)).get("test") or {}
        return (test.get("metrics") or {}).get(METRIC) or {}


def sweep_statuses(folder: Path, silence: float = SILENCE) -> list[JobStatus]:
    """Return the status of each job of a sweep, in its order; one silent for longer than ``silence`` seconds is lost.

    A process of this machine is lost as soon as it is gone.
    """
    return [_job_status(folder, job, silence) for job in read_sweep(folder).jobs]


def run_status(folder: Path, silence: float = SILENCE) -> JobStatus:
    """Return the status of a run that belongs to no sweep, or whose sweep does not matter."""
    run = Run(folder)
    state = run.status.state or "waiting"
    note = run.status.reason
    last_change = run.last_change()
    if state == "running":
        state, note = _check_alive(asdict(run.progress), last_change, silence)
    error = run.status.error if state == "failed" else None
    return JobStatus(str(folder), run_overrides(run), state, run, {}, run.progress, error, note, last_change)


def run_overrides(run: Run) -> dict[str, str]:
    """Return what a run is: experiment, protocol, fold and seed as config.yaml has them, and its address."""
    try:
        config = run.raw_config
        values = {"experiment": config.get("name"), "protocol": config.get("protocol")}
        values |= {"fold": (config.get("split") or {}).get("fold"), "seed": config.get("seed")}
    except (UserError, AttributeError):  # just being written
        values = {}
    values[ADDRESS] = run.folder.parent.name.rpartition("-")[2] or run.folder.name
    return {name: str(value) for name, value in values.items() if value is not None}


def varying_keys(facts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys whose values are not the same in all mappings; a key that only some have varies too."""
    import pandas as pd

    table = pd.DataFrame(facts, dtype=object)
    return list(table.columns[table.astype(str).nunique(dropna=False) > 1])


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """Return the last part of each key (``split.fold``: fold); the whole key where two share it."""
    last = {key: key.split(".")[-1] for key in keys}
    counts = Counter(last.values())
    return {key: name if counts[name] == 1 else key for key, name in last.items()}


def count_states(statuses: Sequence[JobStatus]) -> dict[str, int]:
    """Return the number of jobs in each state that occurs, finished ones first."""
    counts = Counter(status.state for status in statuses)
    return {state: counts[state] for state in ORDER if state in counts}


def is_over(statuses: Sequence[JobStatus]) -> bool:
    """Tell whether nothing runs, and nothing is to come by itself."""
    return not any(status.state in TO_COME for status in statuses)


def share_done(statuses: Sequence[JobStatus]) -> float:
    """Return the share of the work that is done, 0 to 1: each job counts alike, one that runs by its steps."""
    shares = [status.progress.share if status.state in TO_COME else 1.0 for status in statuses]
    return fmean(shares) if shares else 1.0


def time_left(statuses: Sequence[JobStatus]) -> float | None:
    """Return the seconds that all of a sweep may still take, as many jobs at a time as now; None where unknown.

    A waiting job is taken to last as long as the median of the finished ones; where none is, of the running ones.
    Where nothing runs, the time is unknown: nobody knows when a waiting job begins.
    """
    running = [status for status in statuses if status.state == "running"]
    waiting = sum(status.state in ("waiting", "preempted") for status in statuses)
    left = [status.seconds_left for status in running if status.seconds_left is not None]
    if len(left) < len(running):
        return None
    if not left:
        return None if waiting else 0.0
    if not waiting:
        return max(left)
    finished = [status.seconds for status in statuses if status.state == "finished" and status.seconds is not None]
    begun = [(status.seconds or 0.0) + (status.seconds_left or 0.0) for status in running]
    return max(max(left), (sum(left) + waiting * median(finished or begun)) / len(left))


def _job_status(folder: Path, job: Job, silence: float) -> JobStatus:
    record_file = folder / "jobs" / f"{job.key}.json"
    record = read_whole_json(record_file)
    run = Run(Path(record["run"])) if record.get("run") else None
    changes = [run.last_change()] if run else []
    with suppress(OSError):
        changes.append(record_file.stat().st_mtime)
    last_change = max(filter(None, changes), default=None)
    state = record.get("status", "waiting")
    note = None
    if state == "running":
        state, note = _check_alive(record, last_change, silence)
    elif state == "finished" and run and not run.is_finished:
        state = "waiting"
        note = GONE
    elif state == "lost":
        note = record.get("error")
    # What an earlier attempt left says nothing about one that has not begun.
    progress = run.progress if run and state != "waiting" else Progress()
    error = record.get("error") if state == "failed" else None
    overrides = dict(word.lstrip("+~").partition("=")[::2] for word in job.overrides)
    return JobStatus(job.key, overrides, state, run, record, progress, error, note, last_change)


def _check_alive(place: Mapping[str, Any], last_change: float | None, silence: float) -> tuple[str, str | None]:
    """State and note of what should run; ``place`` has the host and the process."""
    here = place.get("host") == socket.gethostname() and isinstance(place.get("pid"), int)
    if here and not process_exists(place["pid"]):
        return "lost", f"process {place['pid']} is gone"
    if last_change is not None and time.time() - last_change <= silence:
        return "running", None
    if here:
        return "running", SILENT
    return "lost", None


def process_exists(pid: int) -> bool:
    """Tell whether a process of this machine exists and has not ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:  # a process that has ended, and that nobody has asked for its exit code, keeps its number
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return True
