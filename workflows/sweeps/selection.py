"""The sweep, or the runs, that a command line names."""

import difflib
import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common.errors import UserError
from common.runs.run import Run
from workflows.sweeps.status import SILENCE, JobStatus, run_status, sweep_statuses

PATTERN_CHARACTERS = set("*?[")


@dataclass(frozen=True)
class Selection:
    """The sweep in ``folder``, or else the folders of ``runs``, and a short name, such as "cnmc_grid-0a1b2c3d"."""

    name: str
    folder: Path | None
    runs: tuple[Path, ...] = ()

    def statuses(self, silence: float = SILENCE) -> list[JobStatus]:
        """Return the present status of each job, or of each run."""
        if self.folder:
            return sweep_statuses(self.folder, silence)
        return [run_status(run, silence) for run in self.runs]


def select(places: Sequence[str], output_dir: Path) -> Selection:
    """Return the sweep or the runs that a command line names.

    Args:
        places: A sweep's folder, its name or the beginning of it (the newest one then), or folders of runs, patterns
            included, and folders that hold runs; nothing: the newest sweep.
        output_dir: Whose ``sweeps`` are looked through for a name.

    Raises:
        UserError: Nothing is there, or a sweep is named beside something else.
    """
    if not places:
        return _newest(_sweeps_below(output_dir), output_dir)
    runs: dict[Path, None] = {}  # in their order, each once
    for place in places:
        selection = _select_one(place, output_dir)
        if selection.folder and len(places) > 1:
            raise UserError(f"{selection.name} is a sweep and not named alone: name one sweep, or runs")
        if selection.folder:
            return selection
        runs |= dict.fromkeys(selection.runs)
    return Selection("runs", None, tuple(runs))


def _select_one(place: str, output_dir: Path) -> Selection:
    paths = [Path(place)]
    if set(place) & PATTERN_CHARACTERS:
        # Path.glob takes no pattern that begins at the root.
        paths = sorted(map(Path, glob.glob(place, recursive=True)))  # noqa: PTH207
    sweeps = []
    runs = []
    for path in paths:
        folder = path.parent if path.is_file() else path
        if (folder / "sweep.json").is_file():
            sweeps.append(folder)
        elif folder.is_dir():
            runs += [run.folder for run in Run.find(folder)]
    if runs and not sweeps:
        return Selection("runs", None, tuple(runs))
    below = _sweeps_below(output_dir)
    sweeps = sweeps or [folder for folder in below if place in (folder.name, _name(folder))]
    if sweeps:
        return _newest(sweeps, output_dir)
    problem = "is neither a folder nor a sweep's name"
    if Path(place).exists():
        problem = "is no run and holds none"
    message = f"{place} {problem}: name a sweep, its folder, or run folders"
    names = sorted(set(map(_name, below)))
    if names:
        names = difflib.get_close_matches(place, names, n=3, cutoff=0.5) or names[:10]
        message += f"; the sweeps below {output_dir} are called {', '.join(names)}"
    raise UserError(message)


def _sweeps_below(output_dir: Path) -> list[Path]:
    return [path.parent for path in sorted(Path(output_dir).glob("sweeps/*/sweep.json"))]


def _newest(folders: Sequence[Path], output_dir: Path) -> Selection:
    if not folders:
        raise UserError(
            f"no sweep below {Path(output_dir) / 'sweeps'}: start one (python train.py -m +sweep=...), name another "
            "--output-dir, or name run folders"
        )
    changes = {}
    for folder in folders:
        files = (folder / "sweep.json", folder, *folder.glob("jobs"))
        changes[folder] = max(path.stat().st_mtime for path in files)
    newest = max(folders, key=changes.__getitem__)
    return Selection(newest.resolve().name, newest)


def _name(folder: Path) -> str:
    """The name of a sweep, without the hash of its jobs."""
    return folder.name.rpartition("-")[0]
