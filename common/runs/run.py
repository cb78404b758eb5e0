"""The address of a run, and what lies in its folder."""

import importlib.metadata
import json
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import yaml
from filelock import FileLock, Timeout

from common.cli import say, warn
from common.config.schema import Config
from common.errors import UserError
from common.files import sha256_of_value, write_json, write_text
from common.preemption import Preempted

ROOT = Path(__file__).resolve().parents[2]

# What does not change the trained weights, or is said by the address in another way.
UNHASHED = {
    "name": True,
    "data_dir": True,
    "output_dir": True,
    "cache_dir": True,
    "protocol": True,
    "seed": True,
    "resume": True,
    "init_from": True,
    "weights": True,
    "logger": True,
    "evaluation": True,
    "data": {"on_broken", "file", "group_column"},
    "split": {"fold", "near_duplicates", "near_duplicate_bits"},
    "model": {"weights"},
    "loader": {"workers", "pin_memory"},
    "trainer": {
        "accelerator",
        "devices",
        "enable_progress_bar",
        "log_every_n_steps",
        "num_nodes",
        "strategy",
        "sync_batchnorm",
    },
    "callbacks": {"checkpoint"},
}
# Told of a run's folder when its training begins, it returns callbacks that watch the training, as a list.
Watch = Callable[[Path], list]
PACKAGES = ("torch", "torchvision", "pytorch-lightning", "timm", "albumentations", "opencv-python-headless", "numpy")


class Described(Protocol):
    """What can say a few lines about the images of a run."""

    def describe(self) -> list[str]:
        """Return what they are."""

    def warnings(self) -> list[str]:
        """Return what is to be feared of them."""


class Pruned(Exception):  # noqa: N818 - no error: the training was not worth going on with
    """Raised by a watching callback to end a training early; the same run can be continued later."""


def unwatched(folder: Path) -> list:
    """Watch nothing."""
    return []


def run_identity(config: Config, contents: dict[str, str | None]) -> dict[str, Any]:
    """Return what makes the run the run it is: the keys that change its result, and hashes of what it reads.

    Args:
        config: The typed configuration.
        contents: Content hashes by name ("data", "weights", "init_from"), None where there is none.
    """
    identity = {"config": config.model_dump(mode="json", exclude=UNHASHED), "contents": contents}
    trainer = config.trainer
    if (count := trainer.devices * trainer.num_nodes) > 1:  # as one process: the address of a run that has but one
        identity["processes"] = {"count": count, "sync_batchnorm": trainer.sync_batchnorm}
    return identity


def run_folder(config: Config, identity: dict[str, Any]) -> Path:
    """Return ``<output_dir>/<experiment>/<protocol>-fold<i>-<8 hex>/seed=<n>``: computed, never the clock."""
    part = f"{config.protocol}-fold{config.split.fold}-{sha256_of_value(identity)[:8]}"
    return Path(config.output_dir) / config.name / part / f"seed={config.seed}"


def is_finished(folder: Path) -> bool:
    """Tell whether the run in ``folder`` has ended well."""
    return read_status(folder).get("status") == "finished"


def read_status(folder: Path) -> dict[str, Any]:
    """Return the run's status.json, or {} where there is none."""
    path = Path(folder) / "status.json"
    if path.is_file():
        return json.loads(path.read_text())
    return {}


def write_status(folder: Path, status: str, **facts: Any) -> None:
    """Say in status.json how the run stands: running, finished, failed, pruned, preempted or interrupted."""
    write_json(Path(folder) / "status.json", {"status": status, **facts})


def check_run(folder: Path, config: Config, identity: dict[str, Any]) -> None:
    """Check that the folder is free, or holds this very run.

    Raises:
        UserError: The folder holds another run or something else, or holds a run at all while ``resume=never``.
    """
    identity_file = folder / "identity.json"
    if identity_file.exists():
        if json.loads(identity_file.read_text()) != identity:
            raise UserError(f"{folder} holds another configuration: move it away, or choose another output_dir or name")
        if config.resume == "never":
            raise UserError(f"{folder} holds a run already and resume=never: use resume=auto, another seed, or move it")
    elif folder.exists() and any(not path.name.startswith(".") for path in folder.iterdir()):
        raise UserError(f"{folder} exists but is no run of Karyocyte: move it away, or choose another output_dir")


def open_run(folder: Path, config: Config, identity: dict[str, Any], command: list[str]) -> None:
    """Write what the run is: its identity first, then its configuration and the code and machine it is made with.

    A run that is continued keeps the revisions of the code that it was made with so far.
    """
    write_json(folder / "identity.json", identity)
    write_text(folder / "config.yaml", yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
    revisions = dict.fromkeys([*_revisions(folder), revision()])
    write_json(folder / "environment.json", {**environment(command), "revisions": list(revisions)})


def begin(folder: Path, config: Config, identity: dict[str, Any], data: Described) -> bool:
    """Open the run, and say what it is; tell whether there is anything to train.

    Raises:
        UserError: The folder holds something else: see :func:`check_run`.
    """
    check_run(folder, config, identity)
    if is_finished(folder):
        say("finished already", str(folder), *other_code(folder))
        update_evaluation(folder, config)
        return False
    warn(*other_code(folder), *data.warnings())
    open_run(folder, config, identity, sys.argv)
    say(str(folder), *data.describe())
    return True


def update_evaluation(folder: Path, config: Config) -> None:
    """Bring the ``evaluation`` section of a finished run's config.yaml up to date: the run is judged anew by it."""
    path = folder / "config.yaml"
    written = yaml.safe_load(path.read_text())
    now = config.evaluation.model_dump(mode="json")
    if written["evaluation"] != now:
        write_text(path, yaml.safe_dump({**written, "evaluation": now}, sort_keys=False))


def other_code(folder: Path) -> list[str]:
    """Say so where a run was made with other revisions of the code than the present one; [] where it was not."""
    others = [made_with for made_with in _revisions(folder) if made_with != revision()]
    if others:
        return [f"made with revision {', '.join(others)} of the code, which is {revision()} now"]
    return []


@contextmanager
def recorded(folder: Path) -> Iterator[None]:
    """Say in status.json that the run goes on, and, where the block raises, how it ended and that it can go on."""
    write_status(folder, "running")
    try:
        yield
    except Pruned as reason:
        write_status(folder, "pruned", reason=str(reason))
        raise
    except Preempted as preempted:
        with suppress(OSError):
            write_status(folder, preempted.status, signal=str(preempted))
        warn(f"preempted ({preempted}): the same command goes on where it was saved")
        raise
    except Exception as error:
        with suppress(OSError):  # a full disk must not hide the error
            write_status(folder, "failed", error=f"{type(error).__name__}: {error}")
        raise
    except BaseException:  # Ctrl-C, or Lightning's exit after it
        with suppress(OSError):
            write_status(folder, "interrupted")
        warn("interrupted: the same command goes on from the last checkpoint")
        raise


def facts_of(config: Config, identity: dict[str, Any]) -> dict[str, Any]:
    """Return what the predictions say of their run, as far as the configuration and the code know it."""
    return {
        "name": config.name,
        "protocol": config.protocol,
        "fold": config.split.fold if config.split.test == "fold" else None,
        "test": config.split.test,
        # The same for all folds of one experiment: what init_from starts from and the data's split differ by fold.
        "config": sha256_of_value([identity["config"], identity["contents"]["weights"]])[:8],
        "seed": config.seed,
        "weights": config.weights,
        "monitor": config.callbacks.monitor,
        "revision": revision(),
    }


@contextmanager
def locked(folder: Path, taken: str | None = None) -> Iterator[None]:
    """Hold a run's folder against a second process; the lock of a killed process is free again.

    Args:
        folder: The folder, which is made where it is missing.
        taken: What to say where another process holds it; None: that it trains this run.

    Raises:
        UserError: Another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        training = f"another process is training {folder}: wait for it, or choose another seed"
        raise UserError(taken or training) from error
    try:
        yield
    finally:
        lock.release()


@cache
def revision() -> str:
    """Return the git revision of the code, with "+changes" where the working tree differs; "unknown" without git.

    It is looked up once: call it before the work begins, since a commit may come while a run trains.
    """
    try:
        found = _git("rev-parse", "--short=12", "HEAD")
        return found + ("+changes" if _git("status", "--porcelain", "--", "*.py", "*.yaml") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def environment(command: list[str]) -> dict[str, Any]:
    """Return the versions, the revision and the machine that a run was made with."""
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {
        "command": command,
        "revision": revision(),
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "packages": versions,
    }


def _revisions(folder: Path) -> list[str]:
    path = folder / "environment.json"
    if path.is_file():
        return json.loads(path.read_text())["revisions"]
    return []


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def run_folders(runs: Sequence[Path]) -> list[Path]:
    """Return the folder of each run.

    Raises:
        UserError: A run is named twice, by whatever path.
    """
    files = [(run / "predictions.parquet" if run.is_dir() else run).resolve() for run in runs]
    for place, file in enumerate(files):
        if file in files[:place]:
            raise UserError(f"{runs[place]} is named twice: name each run once")
    return [run.parent if run.is_file() else run for run in runs]


def refuse_what_is_there(output: Path) -> None:
    """Raise where a folder to write into holds anything, such as a run.

    Raises:
        UserError: Naming the folder and the way out.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UserError(f"{output} is there already: name another --output, or move it away")
