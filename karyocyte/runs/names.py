"""Names in place of a run's folder on a command line: an experiment, ``latest`` or ``<experiment>/latest``."""

import sys
from pathlib import Path

from karyocyte.common.cli import report_user_errors
from karyocyte.common.errors import UserError
from karyocyte.runs.files import LATEST, OUTPUTS

LISTED = 8  # runs that an error names, at most


def resolve_run(word: Path, outputs: Path = OUTPUTS) -> Path:
    """Return the folder of the run that a word of a command line means; other words are returned as they are.

    A word is ``latest``, the newest finished run below ``outputs``, ``<folder>/latest``, the newest below a folder of
    ``outputs`` or any other one, such as another ``output_dir``, or a folder of ``outputs``, as that of an experiment,
    which must hold one finished run alone.

    Raises:
        UserError: No run is finished there, or several are and ``latest`` does not choose one.
    """
    newest = word.name == LATEST and not word.exists()
    place = word.parent if newest else word
    folder = outputs / place
    if _is_below(place, outputs) or (newest and place.is_dir() and not folder.is_dir()):
        folder = place
    # A file of the user's comes before a run of the same name.
    if (word.exists() and not _is_below(word, outputs)) or not (newest or folder.is_dir()):
        return word
    from karyocyte.runs.run import Run  # with the configuration, which takes a moment: most words are paths

    if Run.is_run(folder):
        return folder
    finished = [run for run in Run.find(folder) if run.is_finished]
    if not finished and word.exists():
        return word
    if not finished:
        remedy = f"name the folder of a finished run, or <output_dir>/{LATEST} where they are in another output_dir"
        raise UserError(f"{word}: no run below {folder} is finished: {remedy}")
    if len(finished) > 1 and not newest:
        names = ", ".join(str(run.folder) for run in finished[:LISTED])
        raise UserError(f"{word} has {len(finished)} runs: name one or more, such as {names}, or {word}/{LATEST}")
    return max(finished, key=lambda run: run.last_change() or 0.0).folder


def run_word(word: str) -> str:
    """Resolve a word of a command line, see ``resolve_run``, and say on stderr what it means: a parser for typer."""
    with report_user_errors():
        folder = str(resolve_run(Path(word)))
    if folder == str(Path(word)):
        return word
    print(f"{word}: {folder}", file=sys.stderr)
    return folder


def run_path(word: str | Path) -> Path:
    """Resolve like ``run_word``, as a path."""
    return Path(run_word(str(word)))


def _is_below(path: Path, outputs: Path) -> bool:
    """Whether an existing path is in the folder of the outputs."""
    return path.exists() and outputs.exists() and outputs.resolve() in path.resolve().parents
