"""A run from its start to its end: the check of its folder, its lock and its status."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import Timeout

from karyocyte.common.checksums import FILE as CHECKSUMS
from karyocyte.common.cli import INTERRUPTED, say, warn
from karyocyte.common.errors import UserError
from karyocyte.common.files import read_whole_json, remove_leftovers
from karyocyte.common.locks import file_lock
from karyocyte.common.preemption import Preempted
from karyocyte.common.revision import environment, revision
from karyocyte.config.schema import TrainingConfig
from karyocyte.runs.files import RunFile
from karyocyte.runs.run import Run


def check_run(folder: Path, identity: dict[str, Any]) -> None:
    """Check that the folder is free, or holds this very run and may go on; a ``UserError`` says what it holds."""
    run = Run(folder)
    if run.has(RunFile.IDENTITY):
        # One that is not whole, as after a power failure, is written anew: the folder has its hash in the name.
        found = read_whole_json(run.path(RunFile.IDENTITY))
        if found and not identity.items() <= found.items():
            raise UserError(f"{folder} holds another configuration: move it away, or choose another output_dir or name")
    elif folder.exists() and any(not path.name.startswith(".") for path in folder.iterdir()):
        raise UserError(f"{folder} exists but is not a run of Karyocyte: move it away, or choose another output_dir")


def begin(
    folder: Path, config: TrainingConfig, identity: dict[str, Any], description: list[str], warnings: list[str]
) -> bool:
    """Open the run and describe it on the terminal; return False where it is finished. See ``check_run``.

    Identity, configuration and environment are written, with the revisions of the code that made the run so far.
    """
    check_run(folder, identity)
    remove_leftovers(folder)
    run = Run(folder)
    if run.is_finished:
        say("finished already", str(folder), *other_revisions(folder))
        # It is used with the present settings of both.
        updated = run.raw_config | config.model_dump(mode="json", include={"evaluation", "inference"})
        if updated != run.raw_config:
            run.write_config(updated)
        return False
    if run.status.state == "finished":  # without the list of its files, as by an earlier version
        run.write_status("interrupted")
    present = environment(sys.argv)
    versions = {"revision": present["revision"], "python": present["python"], **present["packages"]}
    stretches = run.environment.get("stretches") or []  # none of a run before version 5.0
    warn(*other_revisions(folder), *other_versions(stretches, versions), *warnings)
    (folder / CHECKSUMS).unlink(missing_ok=True)
    # With what tells its files from those of the other seeds, whose checksums.json would fit it too.
    run.write_json(RunFile.IDENTITY, {**identity, "name": config.name, "seed": config.seed})
    run.write_config(config.model_dump(mode="json"))
    revisions = dict.fromkeys([*run.revisions, revision()])
    stretches = [stretch for stretch in stretches if stretch != versions] + [versions]
    run.write_json(RunFile.ENVIRONMENT, {**present, "revisions": list(revisions), "stretches": stretches})
    say(str(folder), *description)
    return True


def other_revisions(folder: Path) -> list[str]:
    """Return a warning where a run was made with other revisions of the code than the present one, else []."""
    others = set(Run(folder).revisions) - {revision()}
    if not others:
        return []
    return [f"made with revision {', '.join(sorted(others))} of the code, which is {revision()} now"]


def other_versions(stretches: list[dict[str, str]], versions: dict[str, str]) -> list[str]:
    """Return a warning of versions, but that of the code, of earlier stretches of a run that are others now."""
    before = {}
    for stretch in stretches:
        for name, version in stretch.items():
            if name != "revision" and version != versions.get(name):
                before[f"{name} {version}"] = f"{name} {versions.get(name, 'none')}"
    if not before:
        return []
    now = ", ".join(dict.fromkeys(before.values()))
    return [f"begun with {', '.join(before)}, goes on with {now}: the weights may differ from those of one version"]


@contextmanager
def recorded(folder: Path) -> Iterator[None]:
    """Keep the run's status up to date: running within the block and, where the block raises, how it ended."""
    run = Run(folder)
    run.write_status("running")
    try:
        yield
    except Preempted as preempted:
        with suppress(OSError):
            run.write_status(preempted.status, signal=str(preempted))
        warn(f"preempted ({preempted}): the same command continues from the saved state")
        raise
    except Exception as error:
        with suppress(OSError):  # a full disk must not hide the error
            run.write_status("failed", error=f"{type(error).__name__}: {error}")
        raise
    except BaseException as end:  # Ctrl-C, or Lightning's exit with code 1 after it
        with suppress(OSError):
            run.write_status("interrupted")
        warn("interrupted: the same command continues from the last checkpoint")
        if isinstance(end, SystemExit):
            raise SystemExit(INTERRUPTED) from end
        raise


@contextmanager
def locked(folder: Path, message: str | None = None) -> Iterator[None]:
    """Lock a run's folder, which is made where it is missing; the lock of a killed process is free again.

    A ``UserError``, by default that it trains this run: another process holds the lock.
    """
    try:
        held = file_lock(folder / RunFile.LOCK).acquire(timeout=0)
    except Timeout as error:
        training = f"another process is training {folder}: wait for it, or choose another seed"
        raise UserError(message or training) from error
    with held:
        yield
