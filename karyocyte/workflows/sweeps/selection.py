"""The sweep, or the runs, that a command line names."""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from karyocyte.common.cli import warn
from karyocyte.common.errors import UserError
from karyocyte.common.text import counted
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
    if Run.is_run(Path(place)):
        raise UserError(f"{place} is a run, no sweep: add --csv collected.csv for its results, or name its sweep")
    raise UserError(
        f"{place} is neither a run's folder, nor one that holds runs, nor a sweep; the sweeps below {output_dir} are "
        f"called {', '.join(names) or '(none)'}"
    )


def find_runs(places: Sequence[str], output_dir: Path) -> list[Run]:
    """Return the finished runs of sweeps and folders, see ``find_sweep``, and warn of jobs that are not finished."""
    asked: Sequence[str | None] = places or [None]
    named = list(chain.from_iterable(_runs_of(place, output_dir) for place in asked))
    finished = [run for run in named if run and run.is_finished]
    if not finished:
        raise UserError(f"no run of {' '.join(places) or 'the newest sweep'} is finished")
    if unfinished := len(named) - len(finished):
        warn(f"left out, not finished: {counted(unfinished, 'run')}; python scripts/sweep_status.py names them")
    # By the real folder, since two places may lead to one run.
    return list({run.folder.resolve(): run for run in finished}.values())


def _runs_of(place: str | None, output_dir: Path) -> Iterator[Run | None]:
    """Yield the runs of a folder, or of the jobs of a sweep; None for a job without one."""
    if place and Path(place).exists() and not (Path(place) / "sweep.json").is_file():
        yield from Run.find(Path(place))
        return
    folder = find_sweep(place, output_dir)
    from karyocyte.workflows.sweeps.status import sweep_statuses  # here: a wrong name does not wait for pandas

    for status in sweep_statuses(folder):
        yield status.run
