"""A sweep, or runs, as a command line names them."""

import difflib
import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common.errors import UserError
from workflows.sweeps.status import SILENCE, JobStatus, standing_of_run, standings_of_sweep

MAGIC = "*?["
RUN_FILES = ("identity.json", "status.json", "predictions.parquet")


@dataclass(frozen=True)
class Chosen:
    """What is looked at: the sweep in ``folder``, or else ``runs``.

    Attributes:
        name: A short name, such as "cnmc_grid-0a1b2c3d", or "runs".
        folder: The sweep's folder; None where runs were named.
        runs: The folders of the runs that were named.
    """

    name: str
    folder: Path | None
    runs: tuple[Path, ...] = ()

    def standings(self, silence: float = SILENCE) -> list[JobStatus]:
        """Return how each job, or each run, stands now."""
        if self.folder:
            return standings_of_sweep(self.folder, silence)
        return [standing_of_run(run, silence) for run in self.runs]


def choose(places: Sequence[str], output_dir: Path) -> Chosen:
    """Return what is meant by words of a command line.

    Args:
        places: A sweep's folder, its name or the beginning of it (the newest one then), or folders of runs, patterns
            included, and folders that hold runs; nothing: the newest sweep.
        output_dir: Whose ``sweeps`` are looked through for a name.

    Raises:
        UserError: There is nothing such, or a sweep stands beside something else.
    """
    if not places:
        return _sweep(_newest(_sweeps(output_dir), output_dir))
    found = [_one(place, output_dir) for place in places]
    sweeps = [one for one in found if one.folder]
    if sweeps and len(found) > 1:
        raise UserError(f"{sweeps[0].name} is a sweep and not named alone: name one sweep, or runs")
    if sweeps:
        return sweeps[0]
    return Chosen("runs", None, tuple(dict.fromkeys(run for one in found for run in one.runs)))


def _one(place: str, output_dir: Path) -> Chosen:
    # Path.glob takes no pattern that begins at the root.
    if set(place) & set(MAGIC):
        matches = glob.glob(place, recursive=True)  # noqa: PTH207 - a pattern may be absolute
    else:
        matches = [place]
    paths = sorted(map(Path, matches))
    paths = [path.parent if path.is_file() else path for path in paths]
    sweeps = [path for path in paths if (path / "sweep.json").is_file()]
    if sweeps:
        return _sweep(_newest(sweeps, output_dir))
    runs = [run for path in paths if path.is_dir() for run in _runs(path)]
    if runs:
        return Chosen("runs", None, tuple(runs))
    named = [folder for folder in _sweeps(output_dir) if _is_named(folder, place)]
    if named:
        return _sweep(_newest(named, output_dir))
    raise UserError(_nothing(place, output_dir))


def _runs(path: Path) -> list[Path]:
    """The run in a folder, or those somewhere below it."""
    if any((path / name).is_file() for name in RUN_FILES):
        return [path]
    found = {file.parent for name in RUN_FILES for file in path.rglob(name)}
    return sorted(found)


def _sweeps(output_dir: Path) -> list[Path]:
    return [path.parent for path in sorted(Path(output_dir).glob("sweeps/*/sweep.json"))]


def _newest(folders: Sequence[Path], output_dir: Path) -> Path:
    if not folders:
        raise UserError(
            f"no sweep below {Path(output_dir) / 'sweeps'}: start one (python train.py -m +sweep=...), name another "
            "--output-dir, or name run folders"
        )
    return max(folders, key=_last_change)


def _last_change(folder: Path) -> float:
    return max(path.stat().st_mtime for path in (folder / "sweep.json", folder, *folder.glob("jobs")))


def _is_named(folder: Path, name: str) -> bool:
    return folder.name == name or folder.name.rpartition("-")[0] == name


def _sweep(folder: Path) -> Chosen:
    return Chosen(folder.resolve().name, folder)


def _nothing(place: str, output_dir: Path) -> str:
    names = sorted({folder.name.rpartition("-")[0] for folder in _sweeps(output_dir)})
    close = difflib.get_close_matches(place, names, n=3, cutoff=0.5) or names[:10]
    if close:
        known = f"; the sweeps below {output_dir} are called {', '.join(close)}"
    else:
        known = ""
    if Path(place).exists():
        what = "is no run and holds none"
    else:
        what = "is neither a folder nor a sweep's name"
    return f"{place} {what}: name a sweep, its folder, or run folders{known}"
