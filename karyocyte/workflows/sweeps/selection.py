"""The sweep, or the runs, that a command line names."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from karyocyte.common.cli import warn
from karyocyte.common.errors import UserError
from karyocyte.common.text import counted
from karyocyte.runs import sweeps
from karyocyte.runs.run import Run


def find_sweep(place: str | None, output_dir: Path) -> Path:
    """Return the folder of a sweep below ``output_dir``; a ``UserError`` says that there is none.

    ``place`` is its folder or its name (the newest of several then); None: the newest sweep.
    """
    if place and (Path(place) / "sweep.json").is_file():
        return Path(place).resolve()
    names: dict[str, Path] = {}  # with and without the hash of the jobs, of the newest
    for file in sorted(Path(output_dir).glob("sweeps/*/sweep.json"), key=lambda file: file.stat().st_mtime):
        folder = file.parent.resolve()
        names |= dict.fromkeys((folder.name, folder.name.rpartition("-")[0]), folder)
    if place is None and names:
        return list(names.values())[-1]
    if place in names:
        return names[place]
    if place is None:
        raise UserError(f"no sweep below {output_dir}/sweeps: start one (python train.py -m +sweep=...), or name it")
    raise UserError(
        f"{place} is neither a run's folder, nor one that holds runs, nor a sweep; the sweeps below {output_dir} are "
        f"called {', '.join(names) or '(none)'}"
    )


def find_runs(places: Sequence[str], output_dir: Path) -> list[Run]:
    """Return the finished runs of sweeps and folders, see ``find_sweep``, and warn of jobs that are not finished."""
    found: dict[Path, Run] = {}
    unfinished = 0
    named: Sequence[str | None] = places or [None]
    for place in named:
        for run in _runs_of(place, output_dir):
            if run is None or not run.is_finished:
                unfinished += 1
            else:
                # By the real folder, since two places may lead to one run.
                found[run.folder.resolve()] = run
    if not found:
        raise UserError(f"no run of {' '.join(places) or 'the newest sweep'} is finished")
    if unfinished:
        warn(f"left out, not finished: {counted(unfinished, 'run')}; python scripts/sweep_status.py names them")
    return list(found.values())


def _runs_of(place: str | None, output_dir: Path) -> Iterator[Run | None]:
    """Yield the runs of a folder, or of the jobs of a sweep; None for a job without one."""
    if place and Path(place).exists() and not (Path(place) / "sweep.json").is_file():
        yield from Run.find(Path(place))
        return
    folder = find_sweep(place, output_dir)
    for job in sweeps.read_sweep(folder).jobs:
        yield sweeps.run_of(folder, sweeps.read_record(folder, job.key))
