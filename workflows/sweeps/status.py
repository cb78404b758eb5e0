"""The status of a sweep's jobs, or of runs, read from files alone, while others write them."""

import os
import socket
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from common.errors import UserError
from common.files import read_whole_json
from common.runs.files import RunFile
from common.runs.run import Run
from common.sweeps.records import Job, read_sweep

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
        run: The run, where it is known.
        record: The job's record, see :mod:`common.sweeps.records`; {} without a sweep.
        progress: The content of progress.json; {} without.
        error: The error of one that failed; else None.
        note: A remark on its state.
        last_change: When it last wrote a file, seconds since the epoch.
        seconds: Wall time so far; None where unknown.
        seconds_left: At the present pace, at most; None where unknown.
        metric: The test metric with its interval: "value", "low", "high"; {} where there is none yet.
    """

    key: str
    overrides: Mapping[str, str]
    state: str
    run: Run | None = None
    record: Mapping[str, Any] = field(default_factory=dict)
    progress: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    note: str | None = None
    last_change: float | None = None
    seconds: float | None = None
    seconds_left: float | None = None
    metric: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def is_bad(self) -> bool:
        """Whether it failed or was lost."""
        return self.state in BAD

    @property
    def host(self) -> str | None:
        """The machine that it runs on, or ran."""
        return self.record.get("host") or self.progress.get("host")


def sweep_statuses(folder: Path, silence: float = SILENCE) -> list[JobStatus]:
    """Return the status of each job of a sweep, in its order.

    Args:
        folder: Holds sweep.json.
        silence: See ``SILENCE``; a process of this machine is lost as soon as it is gone.

    Raises:
        UserError: It is no sweep.
    """
    return [_job_status(folder, job, silence) for job in read_sweep(folder).jobs]


def run_status(folder: Path, silence: float = SILENCE) -> JobStatus:
    """Return the status of a run that belongs to no sweep, or whose sweep does not matter."""
    run = Run(folder)
    state = run.status.state or "waiting"
    note = run.status.reason
    last_change = run.last_change()
    if state == "running":
        state, note = _check_alive(run.progress, last_change, silence)
    return JobStatus(
        key=str(folder),
        overrides=run_overrides(run),
        state=state,
        run=run,
        progress=run.progress,
        error=run.status.error if state == "failed" else None,
        note=note,
        last_change=last_change,
        seconds=_seconds(state, run, {}),
        seconds_left=_seconds_left(run.progress) if state == "running" else None,
        metric=_metric(run) if state == "finished" else {},
    )


def run_overrides(run: Run) -> dict[str, str]:
    """Return what a run is: experiment, protocol, fold and seed as config.yaml has them, and its address."""
    try:
        config = run.raw_config
        split = config.get("split") or {}
        values = {"experiment": config.get("name"), "protocol": config.get("protocol"), "fold": split.get("fold")}
        values["seed"] = config.get("seed")
    except (UserError, AttributeError):  # just being written
        values = {}
    values[ADDRESS] = run.folder.parent.name.rpartition("-")[2] or run.folder.name
    return {name: str(value) for name, value in values.items() if value is not None}


def varying_keys(statuses: Sequence[JobStatus]) -> list[str]:
    """Return the keys whose values are not the same for all; a key that only some have varies too."""
    keys = dict.fromkeys(key for status in statuses for key in status.overrides)
    return [key for key in keys if len({status.overrides.get(key) for status in statuses}) > 1]


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """Return the last part of each key (``split.fold``: fold); the whole key where two share it."""
    counts = Counter(key.split(".")[-1] for key in keys)
    names = {}
    for key in keys:
        last = key.split(".")[-1]
        names[key] = last if counts[last] == 1 else key
    return names


def count_states(statuses: Sequence[JobStatus]) -> dict[str, int]:
    """Return the number of jobs in each state that occurs, finished ones first."""
    counts = Counter(status.state for status in statuses)
    return {state: counts[state] for state in dict.fromkeys([*ORDER, *counts]) if counts[state]}


def is_over(statuses: Sequence[JobStatus]) -> bool:
    """Tell whether nothing runs, and nothing is to come by itself."""
    return not any(status.state in TO_COME for status in statuses)


def share_done(statuses: Sequence[JobStatus]) -> float:
    """Return the share of the work that is done, 0 to 1: each job counts alike, one that runs by its steps."""
    if not statuses:
        return 1.0
    shares = [share_trained(status.progress) if status.state in TO_COME else 1.0 for status in statuses]
    return sum(shares) / len(shares)


def share_trained(progress: Mapping[str, Any]) -> float:
    """Return the share of a run's training that is done, 0 to 1: stages count alike, each by its steps."""
    try:
        within = 1.0 if progress.get("over") else min(1.0, progress["step"] / max(progress["steps"], 1))
        return float((progress["stage"] - 1 + within) / progress["stages"])
    except (KeyError, TypeError):
        return 0.0


def time_left(statuses: Sequence[JobStatus]) -> float | None:
    """Return the seconds that all of a sweep may still take, as many jobs at a time as now; None where unknown.

    A waiting job is taken to last as long as the median of the finished ones; where none is, of the running ones.
    Where nothing runs, the time is unknown: nobody knows when a waiting job begins.
    """
    running = [status for status in statuses if status.state == "running"]
    waiting = sum(status.state in ("waiting", "preempted") for status in statuses)
    if not running and not waiting:
        return 0.0
    left = [status.seconds_left for status in running if status.seconds_left is not None]
    if not running or len(left) < len(running):
        return None
    if not waiting:
        return max(left)
    durations = [status.seconds for status in statuses if status.state == "finished" and status.seconds is not None]
    if not durations:
        begun = zip(running, left, strict=True)
        durations = [status.seconds + rest for status, rest in begun if status.seconds is not None]
    if not durations:
        return None
    return max(max(left), (sum(left) + waiting * median(durations)) / len(running))


def _job_status(folder: Path, job: Job, silence: float) -> JobStatus:
    record_file = folder / "jobs" / f"{job.key}.json"
    record = read_whole_json(record_file)
    state = record.get("status", "waiting")
    error = record.get("error")
    note = None
    run = Run(Path(record["run"])) if record.get("run") else None
    changes = [_last_write(record_file), run.last_change() if run else None]
    last_change = max((change for change in changes if change is not None), default=None)
    if state == "running":
        state, note = _check_alive(record, last_change, silence)
    elif state == "finished" and run and not run.is_finished:
        state = "waiting"
        note = GONE
    elif state == "lost":
        note = error
    # What an earlier attempt left says nothing about one that has not begun.
    progress = run.progress if run and state != "waiting" else {}
    return JobStatus(
        key=job.key,
        overrides={key.lstrip("+~"): value for key, _, value in (word.partition("=") for word in job.overrides)},
        state=state,
        run=run,
        record=record,
        progress=progress,
        error=error if state == "failed" else None,
        note=note,
        last_change=last_change,
        seconds=_seconds(state, run, record),
        seconds_left=_seconds_left(progress) if state == "running" else None,
        metric=_metric(run) if run and state == "finished" else {},
    )


def _seconds_left(progress: Mapping[str, Any]) -> float | None:
    left: float | None = progress.get("seconds_left")
    if left is None:
        return None
    since = time.time() - progress.get("updated", 0.0)
    return max(0.0, left - max(0.0, since))


def _seconds(state: str, run: Run | None, record: Mapping[str, Any]) -> float | None:
    """Wall time of a run: as measured, else as its training says, else as its record does."""
    seconds: float | None = None  # as the record says
    if state in ("finished", "failed") and "started" in record and "updated" in record:
        seconds = record["updated"] - record["started"]
    if run is None:
        return seconds
    if state == "running" and run.progress:
        trained: float | None = run.progress.get("seconds")
        return trained
    if run.usage:
        return float(run.usage["wall_seconds"])
    if state == "finished" and run.status.wall_seconds is not None:
        return run.status.wall_seconds
    return seconds


def _metric(run: Run) -> dict[str, float | None]:
    test = read_whole_json(run.path(RunFile.METRICS)).get("test") or {}
    metric = (test.get("metrics") or {}).get(METRIC)
    if not metric:
        return {}
    return {name: metric.get(name) for name in ("value", "low", "high")}


def _check_alive(place: Mapping[str, Any], last_change: float | None, silence: float) -> tuple[str, str | None]:
    """State and note of what should run; ``place`` has the host and the process."""
    here = place.get("host") == socket.gethostname() and isinstance(place.get("pid"), int)
    if here and not _process_exists(place["pid"]):
        return "lost", f"process {place['pid']} is gone"
    if last_change is not None and time.time() - last_change <= silence:
        return "running", None
    if here:
        return "running", SILENT
    return "lost", None


def _process_exists(pid: int) -> bool:
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


def _last_write(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None
