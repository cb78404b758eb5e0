"""The parts that read many runs: the collected table, and the status of a sweep."""

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.growth.part import Part, Work
from benchmarks.growth.results import predictions
from common.predictions import Predictions
from common.runs.address import config_fact
from common.runs.files import RunFile
from common.runs.run import Run
from common.sweeps.records import Job, Sweep, job_of, sweep_folder, write_record, write_sweep
from workflows.sweeps.collect import collect_rows, write_collected
from workflows.sweeps.selection import select
from workflows.sweeps.status_table import status_report

RUNS = (160, 1_250, 10_000)
FOLDS = 5
SEEDS = 4
TEST_IMAGES = 40
TEST_SUBJECTS = 8
EXPERIMENTS = 8
BEGUN = 0.9  # share of the jobs that do not wait
FAILED = 10  # of so many jobs that have begun one failed
CONFIDENCE = 0.95
WIDTH = 200  # characters of the terminal
USAGE = {"wall_seconds": 60.0, "cpu_seconds": 60.0, "device_seconds": 60.0, "by_device": {"cpu": 60.0}}
USAGE |= {"device": "cpu", "processes": 1, "peak_memory_bytes": 2**30, "peak_device_memory_bytes": None}


def collect(runs: int, folder: Path) -> Work:
    """Collect a sweep of so many runs into a table: folds and seeds of different experiments."""
    sweep = _write_sweep(runs, folder)

    def work() -> int:
        rows = collect_rows(select([str(sweep)], folder).statuses(), CONFIDENCE)
        write_collected(folder / "table.csv", rows)
        return sum(row["runs"] + row["failed"] + row["missing"] for row in rows)

    return work


def status(jobs: int, folder: Path) -> Work:
    """Show the status of a sweep of so many jobs."""
    sweep = _write_sweep(jobs, folder)
    console = Console(file=io.StringIO(), width=WIDTH)

    def work() -> int:
        statuses = select([str(sweep)], folder).statuses()
        console.print(status_report(sweep.name, statuses, WIDTH))
        return len(statuses)

    return work


PARTS = (
    Part("collected table", "runs", RUNS, collect),
    Part("status of a sweep", "jobs", RUNS, status),
)


@dataclass(frozen=True)
class Place:
    """What a run of the sweep is: of few experiments, the more jobs the more learning rates."""

    experiment: str
    rate: float
    fold: int
    seed: int

    @classmethod
    def of(cls, number: int) -> "Place":
        """Return that of a job by its number."""
        configuration, within = divmod(number, FOLDS * SEEDS)
        rate, experiment = divmod(configuration, EXPERIMENTS)
        return cls(f"experiment{experiment}", 1.0 / (rate + 1), *divmod(within, SEEDS))

    @property
    def job(self) -> Job:
        """The job."""
        words = [f"+experiment={self.experiment}", f"optimizer.lr={self.rate}"]
        return job_of([*words, f"split.fold={self.fold}", f"seed={self.seed}"])

    @property
    def identity(self) -> dict[str, Any]:
        """The content of identity.json."""
        return {"config": {"optimizer": {"lr": self.rate}}, "contents": {"data": "made up", "weights": "random"}}

    def run(self, folder: Path) -> Run:
        """Return the run, below a folder."""
        address = f"subject-fold{self.fold}-{config_fact(self.identity)}"
        return Run(folder / self.experiment / address / f"seed={self.seed}")


def _write_sweep(count: int, folder: Path) -> Path:
    """Write a sweep of so many jobs: most are finished, some failed, some wait; return its folder."""
    places = [Place.of(number) for number in range(count)]
    jobs = tuple(place.job for place in places)
    sweep = sweep_folder(folder, "made_up", jobs)
    write_sweep(sweep, Sweep("made_up", jobs, "slurm", ("train.py", "-m"), str(folder)))
    drawn = predictions(TEST_IMAGES, TEST_SUBJECTS, 2)
    for number, (place, job) in enumerate(zip(places[: round(BEGUN * count)], jobs, strict=False)):
        run = place.run(folder / "outputs")
        state = "failed" if number % FAILED == 0 else "finished"
        _write_run(run, place, drawn, state)
        error = "out of memory" if state == "failed" else None
        facts = {"kind": "run", "run": str(run.folder), "started": 0.0, "error": error}
        write_record(sweep, job.key, status=state, overrides=list(job.overrides), **facts)
    return sweep


def _write_run(run: Run, place: Place, drawn: Predictions, state: str) -> None:
    run.write_status(state)
    run.write_json(RunFile.IDENTITY, place.identity)
    run.write_raw_config({"name": place.experiment, "protocol": "subject", "seed": place.seed})
    if state == "failed":
        return
    about = {**drawn.about, "name": place.experiment, "fold": place.fold, "folds": FOLDS, "seed": place.seed}
    about |= {"config": config_fact(place.identity), "images_seen": 1000, "wall_seconds": 60.0, "balanced": False}
    run.write_predictions(replace(drawn, about=about))
    interval = {"value": 0.9, "low": 0.85, "high": 0.94}
    run.write_json(RunFile.METRICS, {"test": {"metrics": {"f1_weighted": interval}}})
    run.write_json(RunFile.USAGE, USAGE)
