"""How the jobs of a sweep, or runs, stand: read from files alone, which others are just writing."""

import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from common.files import read_whole_json
from common.runs.usage import read_usage
from common.sweeps.records import Job, read_sweep

SILENCE = 300.0  # seconds without a sign of life after which a run elsewhere counts as lost
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C where it can be: a sweep has hundreds of runs
TO_COME = ("waiting", "preempted", "running")
BAD = ("failed", "lost")
SILENT = "silent"  # the note of a process that is there, and has not said anything for a while
ADDRESS = "address"  # the word for the part of a run's folder that its configuration gives
METRIC = "f1_weighted"  # of a finished run's test images; the papers' main figure
GONE = "its run's folder is gone or not finished: the sweep trains it again"


@dataclass(frozen=True)
class JobStatus:
    """How one job, or one run, stands.

    Attributes:
        key: The job's key; the run's folder where there is no sweep.
        words: What it is: values by key, such as {"experiment": "resnet18", "seed": "0"}.
        state: One of ``sweeps.STATES``, or "pruned".
        run: The run's folder, where it is known.
        record: What jobs/<key>.json says; {} without.
        progress: What progress.json says; {} without.
        error: The error of one that failed; else None.
        note: What else is to be said of its state.
        seen: The last sign of life, seconds since the epoch.
        seconds: What it has cost so far, in wall time; None where unknown.
        seconds_left: At the present pace, at most; None where unknown.
        metric: The test metric with its interval: "value", "low", "high"; {} where there is none yet.
    """

    key: str
    words: Mapping[str, str]
    state: str
    run: Path | None = None
    record: Mapping[str, Any] = field(default_factory=dict)
    progress: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    note: str | None = None
    seen: float | None = None
    seconds: float | None = None
    seconds_left: float | None = None
    metric: Mapping[str, float | None] = field(default_factory=dict)


def standings_of_sweep(folder: Path, silence: float = SILENCE) -> list[JobStatus]:
    """Return how the jobs of a sweep stand, in its order.

    Args:
        folder: Holds sweep.json.
        silence: See ``SILENCE``; a process of this machine is lost as soon as it is gone.

    Raises:
        UserError: It is no sweep.
    """
    return [_of_job(folder, job, silence) for job in read_sweep(folder).jobs]


def standing_of_run(run: Path, silence: float = SILENCE) -> JobStatus:
    """Return how a run stands that belongs to no sweep, or whose sweep does not matter."""
    status = read_whole_json(run / "status.json")
    progress = read_whole_json(run / "progress.json")
    state = status.get("status", "waiting")
    note = status.get("reason")
    seen = _last_sign(run)
    if state == "running":
        state, note = _alive_or_lost(progress, seen, silence)
    return _standing(str(run), words_of_run(run), state, run, {}, progress, status.get("error"), note, seen)


def words_of_run(run: Path) -> dict[str, str]:
    """Return what a run is: experiment, protocol, fold and seed as config.yaml has them, and its address."""
    config = _yaml(run / "config.yaml")
    split = config.get("split") or {}
    found = {"experiment": config.get("name"), "protocol": config.get("protocol"), "fold": split.get("fold")}
    found |= {"seed": config.get("seed"), ADDRESS: run.parent.name.rpartition("-")[2] or run.name}
    return {name: str(value) for name, value in found.items() if value is not None}


def words_of_job(overrides: Sequence[str]) -> dict[str, str]:
    """Return the values by key that a job's overrides give, without the signs before a key."""
    pairs = [override.lstrip("+~").partition("=") for override in overrides]
    return {key: value for key, _, value in pairs}


def varying(standings: Sequence[JobStatus]) -> list[str]:
    """Return the keys whose values are not the same for all; a key that only some have varies too."""
    keys = dict.fromkeys(key for one in standings for key in one.words)
    return [key for key in keys if len({one.words.get(key) for one in standings}) > 1]


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """Return the last word of each key (``split.fold``: fold); the whole key where two share it."""
    last = {key: key.split(".")[-1] for key in keys}
    return {key: word if list(last.values()).count(word) == 1 else key for key, word in last.items()}


def counts(standings: Sequence[JobStatus]) -> dict[str, int]:
    """Return how many stand how, what has ended first; states that nobody is in are left out."""
    order = ("finished", "running", "waiting", "preempted", "pruned", "interrupted", "failed", "lost")
    found = [one.state for one in standings]
    return {state: found.count(state) for state in dict.fromkeys([*order, *found]) if state in found}


def is_over(standings: Sequence[JobStatus]) -> bool:
    """Tell whether nothing runs, and nothing is to come by itself."""
    return not any(one.state in TO_COME for one in standings)


def share_done(standings: Sequence[JobStatus]) -> float:
    """Return how much of the work is done, 0 to 1: each job counts alike, one that runs by its steps."""
    done = [1.0 if one.state not in TO_COME else share_of(one.progress) for one in standings]
    if done:
        return sum(done) / len(done)
    return 1.0


def share_of(progress: Mapping[str, Any]) -> float:
    """Return how much of a run's training is done, 0 to 1: stages count alike, each by its steps."""
    try:
        if progress.get("over"):
            within = 1.0
        else:
            within = progress["step"] / max(progress["steps"], 1)
        return (progress["stage"] - 1 + min(within, 1.0)) / progress["stages"]
    except (KeyError, TypeError):
        return 0.0


def time_left(standings: Sequence[JobStatus]) -> float | None:
    """Return the seconds that all of a sweep may still take, as many at a time as now; None where nothing says it.

    A job that waits is taken to last as long as the median of those that are finished; where none is, as those that
    run. Nobody knows when one that waits for a place begins: where nothing runs, nothing is said.
    """
    running = [one for one in standings if one.state == "running"]
    waiting = sum(one.state in ("waiting", "preempted") for one in standings)
    if not running and not waiting:
        return 0.0
    left = [one.seconds_left for one in running]
    finished = [one.seconds for one in standings if one.state == "finished" and one.seconds is not None]
    begun = [one.seconds + one.seconds_left for one in running if None not in (one.seconds, one.seconds_left)]
    if finished or begun:
        each = median(finished or begun)
    else:
        each = None
    if not running or None in left or (waiting and each is None):
        return None
    return max(max(left), (sum(left) + waiting * (each or 0.0)) / len(running))


def _of_job(folder: Path, job: Job, silence: float) -> JobStatus:
    record_file = folder / "jobs" / f"{job.key}.json"
    record = read_whole_json(record_file)
    state = record.get("status", "waiting")
    note = None
    error = record.get("error")
    if record.get("run"):
        run = Path(record["run"])
    else:
        run = None
    if run:
        progress = read_whole_json(run / "progress.json")
    else:
        progress = {}
    seen = max(filter(None, [_changed(record_file), _last_sign(run) if run else None]), default=None)
    if state == "running":
        state, note = _alive_or_lost(record, seen, silence)
    elif state == "finished" and run and read_whole_json(run / "status.json").get("status") != "finished":
        state = "waiting"
        note = GONE
    elif state == "lost":
        note = error
        error = None
    # What an earlier try left says nothing about one that has not begun.
    if state != "waiting":
        progress = progress
    else:
        progress = {}
    return _standing(job.key, words_of_job(job.overrides), state, run, record, progress, error, note, seen)


def _standing(  # noqa: PLR0913
    key: str,
    words: dict[str, str],
    state: str,
    run: Path | None,
    record: dict,
    progress: dict,
    error: str | None,
    note: str | None,
    seen: float | None,
) -> JobStatus:
    if state == "running":
        left = progress.get("seconds_left")
    else:
        left = None
    if left is not None:
        left = max(0.0, left - max(0.0, time.time() - progress.get("updated", 0.0)))
    return JobStatus(
        key=key,
        words=words,
        state=state,
        run=run,
        record=record,
        progress=progress,
        error=error if state == "failed" else None,
        note=note,
        seen=seen,
        seconds=_seconds(state, run, record, progress),
        seconds_left=left,
        metric=_metric(run) if run and state == "finished" else {},
    )


def _seconds(state: str, run: Path | None, record: dict, progress: dict) -> float | None:
    """Wall time of a run: as measured, else as its training says, else as its record does."""
    if state == "running" and progress:
        return progress.get("seconds")
    if run:
        used = read_usage(run)
    else:
        used = None
    if used is not None:
        return used["wall_seconds"]
    if run and state == "finished":
        trained = read_whole_json(run / "status.json").get("wall_seconds")
    else:
        trained = None
    if trained is not None:
        return trained
    ended = state in ("finished", "failed") and "started" in record and "updated" in record
    if ended:
        return record["updated"] - record["started"]
    return None


def _metric(run: Path) -> dict[str, float | None]:
    found = (read_whole_json(run / "metrics.json").get("test") or {}).get("metrics") or {}
    metric = found.get(METRIC) or {}
    if metric:
        return {name: metric.get(name) for name in ("value", "low", "high")}
    return {}


def _alive_or_lost(place: Mapping[str, Any], seen: float | None, silence: float) -> tuple[str, str | None]:
    """Whether what says that it runs does: ``place`` has the host and the process."""
    if seen is None:
        quiet = float("inf")
    else:
        quiet = time.time() - seen
    here = place.get("host") == socket.gethostname() and isinstance(place.get("pid"), int)
    if here and not _exists(place["pid"]):
        return "lost", f"process {place['pid']} is gone"
    if quiet <= silence:
        return "running", None
    if here:
        return ("running", SILENT)
    return ("lost", None)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Whether a process has ended, and only its number is left."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False


def _last_sign(run: Path) -> float | None:
    """When something was last written in a run's folder: its own files and those of its stages."""
    try:
        files = [*run.iterdir(), *run.glob("checkpoints/*/*"), *run.glob("logs/*/*/*")]
    except OSError:
        return None
    return max(filter(None, map(_changed, files)), default=None)


def _changed(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def _yaml(path: Path) -> dict[str, Any]:
    try:
        found = yaml.load(path.read_text(), Loader=LOADER)
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    if isinstance(found, dict):
        return found
    return {}
