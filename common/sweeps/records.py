"""The folder of a sweep: which jobs there are, and how each of them stands."""

import json
import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import read_whole_json, sha256_of_value, write_json
from common.preemption import slurm_job

SCHEMA = 1
VARIABLE = "KARYOCYTE_SWEEP"  # tells a job's process the folder of its sweep
# How a job stands: "waiting" has no record yet, "lost" ended without a word (killed, a node that is gone).
STATES = ("waiting", "running", "finished", "failed", "preempted", "interrupted", "lost")
ENDED = ("finished", "failed")

_current: list["JobRecord"] = []


@dataclass(frozen=True)
class Job:
    """One job of a sweep.

    Attributes:
        key: 8 hex digits, computed from the overrides.
        overrides: What is typed for it, Hydra's own keys and those of the cluster left out.
    """

    key: str
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class Sweep:
    """What sweep.json says.

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


def job_of(overrides: Sequence[str]) -> Job:
    """Return the job that the overrides of one run describe; their order does not matter for its key."""
    kept = tuple(word for word in overrides if not _is_about_how(word))
    return Job(sha256_of_value(sorted(kept))[:8], kept)


def sweep_name(overrides: Sequence[str]) -> str:
    """Return the name of the sweep that overrides ask for, such as "cnmc_grid" or, of two, "folds+cnmc_grid"."""
    chosen = [word.partition("=")[2] for word in overrides if word.lstrip("+").startswith("sweep=")]
    if chosen:
        return chosen[0].strip("[]").replace(",", "+")
    return "sweep"


def names(jobs: Sequence[Job]) -> dict[str, str]:
    """Return a name for each job, by its key: the overrides that not all of them share."""
    if len(jobs) > 1:
        shared = set.intersection(*(set(job.overrides) for job in jobs))
    else:
        shared = set()
    own = {job.key: [word for word in job.overrides if word not in shared] for job in jobs}
    return {job.key: " ".join(own[job.key] or job.overrides) for job in jobs}


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
    """Return what is known of a job, at least ``{"key", "status"}``; "waiting" where it has not begun.

    Raises:
        UserError: Its file is damaged.
    """
    path = Path(folder) / "jobs" / f"{key}.json"
    try:
        if path.is_file():
            found = json.loads(path.read_text())
        else:
            found = {}
        return {"key": key, "status": "waiting", **found}
    except (ValueError, TypeError) as error:
        raise UserError(f"{path} cannot be read ({error}): remove it, the job's run knows how far it is") from error


def write_record(folder: Path, key: str, **facts: Any) -> None:
    """Add facts to what is known of a job, and note the time."""
    known = read_record(folder, key)
    write_json(Path(folder) / "jobs" / f"{key}.json", {**known, **facts, "updated": time.time()})


def is_done(folder: Path, key: str) -> bool:
    """Tell whether a job has ended well, and what it made is still there."""
    record = read_record(folder, key)
    if record["status"] != "finished" or record.get("kind") != "run" or not record.get("run"):
        return False  # a search is never done: its number of trials may be raised
    return read_whole_json(Path(record["run"]) / "status.json").get("status") == "finished"


class JobRecord:
    """The record of the job that this process runs; only the first of a job's processes writes it."""

    def __init__(self, folder: Path, job: Job, kind: str) -> None:
        self.folder = folder
        self.job = job
        attempts = read_record(folder, job.key).get("attempts", 0) + 1
        place = {"host": socket.gethostname(), "pid": os.getpid(), "slurm_job": slurm_job()}
        begun = {"status": "running", "error": None, "started": time.time(), "attempts": attempts, "run": None}
        self.note(overrides=list(job.overrides), kind=kind, **place, **begun)

    def note(self, **facts: Any) -> None:
        """Add facts."""
        write_record(self.folder, self.job.key, **facts)


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
    record = JobRecord(Path(folder), job_of(overrides), kind)
    _current.append(record)
    try:
        yield
        record.note(status="finished")
    except Exception as error:
        with suppress(OSError):  # a full disk must not hide the error
            record.note(status="failed", error=str(error) if isinstance(error, UserError) else _named(error))
        raise
    except BaseException as end:  # preempted, or Ctrl-C
        with suppress(OSError):
            record.note(status=getattr(end, "status", "interrupted"), error=None)
        raise
    finally:
        _current.remove(record)


def note_run(folder: Path) -> None:
    """Say which run the present job trains; nothing happens outside a sweep."""
    for record in _current:
        record.note(run=str(Path(folder).resolve()))


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _is_about_how(override: str) -> bool:
    """Whether an override says where and how jobs run, or which others there are, not what they are."""
    key = override.lstrip("+~").split("=")[0]
    return key in ("cluster", "sweep") or key.startswith(("cluster.", "hydra.", "hydra/"))
