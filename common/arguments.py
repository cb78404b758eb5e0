"""Checks of command-line arguments that need no large library: call them before the imports that do."""

from collections.abc import Sequence
from pathlib import Path

from common.errors import UserError
from common.runs.files import RunFile
from common.runs.run import EXAMPLE, Run, open_runs


def existing_runs(paths: Sequence[Path]) -> list[Run]:
    """Return the runs at folders or files in them.

    Raises:
        UserError: A path does not exist or is not a run, or two paths lead to the same run.
    """
    return open_runs(paths)


def finished_runs(paths: Sequence[Path]) -> list[Run]:
    """Return the finished runs at folders or files in them.

    Raises:
        UserError: See :func:`existing_runs`; or a run is not finished.
    """
    for path in paths:
        Run.open_finished(path)
    return open_runs(paths)


def existing_predictions(paths: Sequence[Path]) -> list[Path]:
    """Return the predictions of runs, each named by its folder or by the file itself.

    Raises:
        UserError: A file does not exist or is not parquet, or two paths lead to the same file.
    """
    files = []
    seen = set()
    for path in paths:
        file = path / RunFile.PREDICTIONS if path.is_dir() else path
        if not file.is_file():
            raise UserError(f"no predictions at {path}: {EXAMPLE}, or its {RunFile.PREDICTIONS}")
        if file.suffix != ".parquet":
            raise UserError(f"{path} is not a {RunFile.PREDICTIONS}: {EXAMPLE}")
        if file.resolve() in seen:
            raise UserError(f"{path} is named twice: name each run once")
        seen.add(file.resolve())
        files.append(file)
    return files


def existing_images(paths: Sequence[Path]) -> list[Path]:
    """Return paths of images, folders or zip files.

    Raises:
        UserError: None is named, or one does not exist.
    """
    if not paths:
        raise UserError("no images are named: add folders, zip files or files of images")
    for path in paths:
        if not path.exists():
            raise UserError(f"{path} does not exist: name folders, zip files or files of images")
    return list(paths)


def new_file(path: Path, option: str, suffix: str) -> None:
    """Check a file that an option names for writing.

    Args:
        path: The file.
        option: Such as "--output".
        suffix: Such as ".csv".

    Raises:
        UserError: The name ends in something else, or the file exists.
    """
    if path.suffix.lower() != suffix:
        raise UserError(f"{option} {path}: a {suffix[1:].upper()} file is written: end its name in {suffix}")
    if path.exists():
        raise UserError(f"{option} {path} exists already: choose another name, or move it away")


def new_folder(path: Path, option: str = "--output") -> None:
    """Check a folder that an option names for writing.

    Raises:
        UserError: It holds something, such as a run, or is a file.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UserError(f"{option} {path} exists already: choose another name, or move it away")
