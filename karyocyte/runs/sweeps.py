"""The folder of a sweep: its jobs, and the status of each."""

import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from karyocyte.common.errors import UserError
from karyocyte.common.files import read_json, read_typed, sha256_of_value, write_json
from karyocyte.common.preemption import slurm_job
from karyocyte.config.cluster import SWEEP_VARIABLE
from karyocyte.config.overrides import key_of, overrides_outside
from karyocyte.runs.run import Run

SCHEMA = 1
ENDED = ("finished", "failed")

_current: list[partial[None]] = []  # `write_record` of this process's jobs


@dataclass(frozen=True)
class Job:
    """One job of a sweep: its overrides without Hydra's and the cluster's, and 8 hex digits computed from them."""

    key: str
    overrides: tuple[str, ...]

    def value(self, key: str) -> str:
        """Return the value that a key is given; "" where the job does not name it."""
        for word in self.overrides:
            if key_of(word) == key:
                return word.partition("=")[2]
        return ""


@dataclass(frozen=True)
class Sweep:
    """The contents of sweep.json; ``cluster`` is "none" (one job after another), "local" or "slurm"."""

    jobs: tuple[Job, ...]
    cluster: str
    command: tuple[str, ...]


def job_of(overrides: Sequence[str]) -> Job:
    """Return the job that the overrides of one run describe; their order does not matter for its key."""
    own = overrides_outside(dict.fromkeys(overrides), ("cluster", "sweep", "hydra"))  # where jobs run, which others are
    return Job(sha256_of_value(sorted(own))[:8], own)


def sweep_name(overrides: Sequence[str], primary: str = "train") -> str:
    """Return the name of the sweep that overrides ask for, such as "cnmc_grid" or, of two, "folds+cnmc_grid".

    That of another primary configuration than ``train`` precedes it: "detector+folds".
    """
    named = Job("", tuple(overrides)).value("sweep").strip("[]").replace(",", "+")
    return "+".join(filter(None, ["" if primary == "train" else primary, named])) or "sweep"


def names(jobs: Sequence[Job]) -> dict[str, str]:
    """Return a name for each job, by its key: the overrides that not all of them share."""
    shared = set.intersection(*(set(job.overrides) for job in jobs)) if jobs else set()
    named = {}
    for job in jobs:
        own = [override for override in job.overrides if override not in shared]
        named[job.key] = " ".join(own or job.overrides)
    return named


def sweep_folder(output_dir: Path, name: str, jobs: Sequence[Job]) -> Path:
    """Return ``<output_dir>/sweeps/<name>-<8 hex>``: computed from the jobs, so the same command finds it again."""
    return Path(output_dir) / "sweeps" / f"{name}-{sha256_of_value(sorted(job.key for job in jobs))[:8]}"


def write_sweep(folder: Path, sweep: Sweep) -> None:
    """Write sweep.json."""
    write_json(folder / "sweep.json", {"schema": SCHEMA, **asdict(sweep)})


def read_sweep(folder: Path) -> Sweep:
    """Read sweep.json, which is there; a ``UserError`` says that it is damaged or of another version."""
    return read_typed(Path(folder) / "sweep.json", Sweep, SCHEMA, "start the sweep again, it is written again")


def read_record(folder: Path, key: str) -> dict[str, Any]:
    """Return the record of a job, at least ``{"key", "status"}``; "waiting" where it has not begun."""
    path = Path(folder) / "jobs" / f"{key}.json"
    record = {"key": key, "status": "waiting"}
    if not path.is_file():
        return record
    try:
        return {**record, **read_json(path)}
    except (UserError, TypeError) as error:
        raise UserError(f"{path} cannot be read: remove it, the job's run knows how far it is") from error


def write_record(folder: Path, job: Job, **facts: Any) -> None:
    """Add facts to the record of a job, which has its overrides, and note the time."""
    record = {**read_record(folder, job.key), "overrides": job.overrides, **facts, "updated": time.time()}
    write_json(Path(folder) / "jobs" / f"{job.key}.json", record)


def has_ended(folder: Path, key: str) -> bool:
    """Tell whether a job has ended, well or not."""
    return read_record(folder, key)["status"] in ENDED


def is_done(folder: Path, key: str) -> bool:
    """Tell whether a job has ended well, and what it made is still there."""
    record = read_record(folder, key)
    run = run_of(folder, record)
    if record["status"] != "finished" or record.get("kind") != "run" or run is None:
        return False  # a search is never done: its number of trials may be raised
    return run.is_finished


def run_of(folder: Path, record: Mapping[str, Any]) -> Run | None:
    """Return the run that a record of a sweep names, seen from the sweep's folder; None: there is none yet."""
    return Run(Path(os.path.normpath(Path(folder) / record["run"]))) if record.get("run") else None


@contextmanager
def job_record(overrides: Sequence[str], kind: str, first: bool) -> Iterator[None]:
    """Record how the job of this process goes, where it is one of a sweep; only the first of its processes writes.

    ``kind`` is "run" or "search".
    """
    folder = os.environ.get(SWEEP_VARIABLE)
    if not folder or not first:
        yield
        return
    job = job_of(overrides)
    note = partial(write_record, Path(folder), job)
    attempts = read_record(Path(folder), job.key).get("attempts", 0) + 1
    place = {"host": socket.gethostname(), "pid": os.getpid(), "slurm_job": slurm_job()}
    place["gpus"] = os.environ.get("CUDA_VISIBLE_DEVICES") or None
    begun = {"status": "running", "error": None, "started": time.time(), "attempts": attempts, "run": None}
    note(kind=kind, **place, **begun)
    _current.append(note)
    end: dict[str, str | None] = {"status": "finished"}  # where it ran is of use while it runs
    try:
        yield
    except Exception as error:
        end = {"status": "failed", "error": message_of(error)}
        raise
    except BaseException as error:  # preempted, or Ctrl-C
        end = {"status": getattr(error, "status", "interrupted"), "error": None}
        raise
    finally:
        _current.remove(note)
        with suppress(OSError):  # a full disk must not hide the error
            note(**end, host=None, pid=None)


def message_of(error: BaseException) -> str:
    """Return what is said of an error: its type, too, where it is no user's."""
    return str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"


def in_sweep() -> bool:
    """Tell whether this process runs a job of a sweep: it prints less."""
    return bool(_current)


def note_run(folder: Path) -> None:
    """Record which run the present job trains; nothing happens outside a sweep."""
    for note in _current:
        note(run=os.path.relpath(Path(folder).resolve(), note.args[0].resolve()))
