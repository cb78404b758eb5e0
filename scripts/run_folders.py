"""Folders as a command line names them: runs to read, and one to write."""

from collections.abc import Sequence
from pathlib import Path

from common.errors import UserError


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
