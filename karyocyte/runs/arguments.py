"""Checks of command-line arguments that need no large library: call them before the imports that do."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from karyocyte.common.errors import UserError
from karyocyte.common.files import MARK
from karyocyte.runs.files import RunFile
from karyocyte.runs.run import EXAMPLE, check_different


def existing_predictions(paths: Sequence[Path]) -> list[Path]:
    """Return the predictions of runs, named by folder or file; a ``UserError`` says which is missing or named twice."""
    files = []
    for path in paths:
        file = path / RunFile.PREDICTIONS if path.is_dir() else path
        if not file.is_file():
            raise UserError(f"no predictions at {path}: {EXAMPLE}, or its {RunFile.PREDICTIONS}")
        if file.suffix != ".parquet":
            raise UserError(f"{path} is not a {RunFile.PREDICTIONS}: {EXAMPLE}")
        files.append(file)
    check_different(paths, files)
    return files


def free_name(path: Path) -> Path:
    """Return the path with the first number that makes it one where nothing is: ``out2`` for ``out``."""
    number = 2
    while path.with_name(f"{path.stem}{number}{path.suffix}").exists():
        number += 1
    return path.with_name(f"{path.stem}{number}{path.suffix}")


def new_folder(path: Path, option: str = "--output") -> None:
    """Check a folder that an option names for writing: a ``UserError`` says that it holds something, or is a file."""
    if path.exists() and (not path.is_dir() or any(each.name != MARK for each in path.iterdir())):
        another = f"`{option} {shlex.quote(str(free_name(path)))}`"
        raise UserError(f"{option} {path} exists already: choose another name, such as {another}, or move it away")
