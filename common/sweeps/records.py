"""The folder of a sweep: its jobs, and the status of each."""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import sha256_of_value, write_json
from common.preemption import slurm_job
from common.runs.run import Run

SCHEMA = 1
VARIABLE = "KARYOCYTE_SWEEP"  # tells a job's process the folder of its sweep
# "waiting" has no record yet, "lost" ended without a word (killed, a node that is gone).
STATES = ("waiting", "running", "finished", "failed", "preempted", "interrupted", "lost")
ENDED = ("finished", "failed")

_current: list[Callable[..., None]] = []


@dataclass(frozen=True)
class Job:
    """One job of a sweep.

    Attributes:
        key: 8 hex digits, computed from the overrides.
        overrides: Without Hydra's own keys and those of the cluster.
    """

    key: str
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class Sweep:
    """The contents of sweep.json.

    Attributes:
        name: The sweep's name, such as "cnmc_grid"; "sweep" where it has none.
        jobs: Its jobs, in their order.
        cluster: Where they run: "none" (one after another), "local" or "slurm".
        command: The command line that started it last.
        output_dir: Where the runs go.
    """

    name: str
    jobs: tuple[Job, ...]
    cluster: str
    command: tuple[str, ...]
    output_dir: str


def key_of(override: str) -> str:
    """Return the key of an override, such as "seed" of "seed=0" and "experiment" of "+experiment=a"."""
    return override.lstrip("+~").partition("=")[0]


def job_of(overrides: Sequence[str]) -> Job:
    """Return the job that the overrides of one run describe; their order does not matter for its key."""
    own = tuple(word for word in overrides if not _is_about_launching(key_of(word)))
    return Job(sha256_of_value(sorted(own))[:8], own)


def sweep_name(overrides: Sequence[str]) -> str:
    """Return the name of the sweep that overrides ask for, such as "cnmc_grid" or, of two, "folds+cnmc_grid"."""
    for word in overrides:
        if key_of(word) == "sweep":
            return word.partition("=")[2].strip("[]").replace(",", "+")
    return "sweep"


def names(jobs: Sequence[Job]) -> dict[str, str]:
    """Return a name for each job, by its key: the overrides that not all of them share."""
    shared: set[str] = set()
    if len(jobs) > 1:
        shared = set.intersection(*(set(job.overrides) for job in jobs))
    found = {}
    for job in jobs:
        own = [word for word in job.overrides if word not in shared]
        found[job.key] = " ".join(own or job.overrides)
    return found


def sweep_folder(output_dir: Path, name: str, jobs: Sequence[Job]) -> Path:
    """Return ``<output_dir>/sweeps/<name>-<8 hex>``: computed from the jobs, so the same command finds it again."""
    return Path(output_dir) / "sweeps" / f"{name}-{sha256_of_value(sorted(job.key for job in jobs))[:8]}"


def write_sweep(folder: Path, sweep: Sweep) -> None:
    """Write sweep.json."""
    write_json(folder / "sweep.json", {"schema": SCHEMA, **asdict(sweep)})


def read_sweep(folder: Path) -> Sweep:
    """Read sweep.json.

    Raises:
        UserError: There is none, or it is of another version.
    """
    path = Path(folder) / "sweep.json"
    try:
        values = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise UserError(f"{folder} is no sweep: there is no sweep.json in it") from error
    except json.JSONDecodeError as error:
        raise UserError(f"{path} cannot be read ({error}): start the sweep again, it is written anew") from error
    try:
        if values.pop("schema", None) != SCHEMA:
            raise UserError(f"{path} is of another version: start the sweep again, it is written anew")
        jobs = tuple(Job(each["key"], tuple(each["overrides"])) for each in values.pop("jobs"))
        return Sweep(jobs=jobs, command=tuple(values.pop("command")), **values)
    except (AttributeError, KeyError, TypeError) as error:
        raise UserError(f"{path} is not what a sweep writes: start the sweep again, it is written anew") from error


def read_record(folder: Path, key: str) -> dict[str, Any]:
    """Return the record of a job, at least ``{"key", "status"}``; "waiting" where it has not begun.

    Raises:
        UserError: Its file is damaged.
    """
    path = Path(folder) / "jobs" / f"{key}.json"
    record = {"key": key, "status": "waiting"}
    if not path.is_file():
        return record
    try:
        return {**record, **json.loads(path.read_text())}
    except (ValueError, TypeError) as error:
        raise UserError(f"{path} cannot be read ({error}): remove it, the job's run knows how far it is") from error


def write_record(folder: Path, key: str, **facts: Any) -> None:
    """Add facts to the record of a job, and note the time."""
    record = {**read_record(folder, key), **facts, "updated": time.time()}
    write_json(Path(folder) / "jobs" / f"{key}.json", record)


def is_done(folder: Path, key: str) -> bool:
    """Tell whether a job has ended well, and what it made is still there."""
    record = read_record(folder, key)
    if record["status"] != "finished" or record.get("kind") != "run" or not record.get("run"):
        return False  # a search is never done: its number of trials may be raised
    return Run(Path(record["run"])).is_finished


@contextmanager
def recorded(overrides: Sequence[str], kind: str, first: bool) -> Iterator[None]:
    """Record how the job of this process goes, where it is one of a sweep.

    Args:
        overrides: Those of the job.
        kind: "run" or "search".
        first: Whether this is the first of the job's processes: the others write nothing.
    """
    folder = os.environ.get(VARIABLE)
    if not folder or not first:
        yield
        return
    job = job_of(overrides)
    note = partial(write_record, Path(folder), job.key)
    attempts = read_record(Path(folder), job.key).get("attempts", 0) + 1
    place = {"host": socket.gethostname(), "pid": os.getpid(), "slurm_job": slurm_job()}
    begun = {"status": "running", "error": None, "started": time.time(), "attempts": attempts, "run": None}
    note(overrides=list(job.overrides), kind=kind, **place, **begun)
    _current.append(note)
    try:
        yield
        note(status="finished")
    except Exception as error:
        message = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        with suppress(OSError):  # a full disk must not hide the error
            note(status="failed", error=message)
        raise
    except BaseException as end:  # preempted, or Ctrl-C
        with suppress(OSError):
            note(status=getattr(end, "status", "interrupted"), error=None)
        raise
    finally:
        _current.remove(note)


def note_run(folder: Path) -> None:
    """Record which run the present job trains; nothing happens outside a sweep."""
    for note in _current:
        note(run=str(Path(folder).resolve()))


def _is_about_launching(key: str) -> bool:
    """Whether a key says where and how jobs run, or which others there are, not what they are."""
    return key in ("cluster", "sweep") or key.startswith(("cluster.", "hydra.", "hydra/"))
