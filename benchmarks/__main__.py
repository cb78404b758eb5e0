"""Benchmarks: each compares alternatives within one run, so that the machine does not matter."""

import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from benchmarks.shared import show, write
from benchmarks.startup import USUAL
from common.cli import TYPER, examples, heavy_imports, report_user_errors, say
from common.errors import UserError
from common.files import write_text

app = typer.Typer(
    **TYPER,
    epilog=examples("python -m benchmarks coverage --csv results/coverage.csv"),
)

Threads = Annotated[int | None, typer.Option(min=1, help="Threads of torch; its own choice if not said.")]
Rounds = Annotated[int, typer.Option(min=1, help="How often ours is timed.")]
SlowRounds = Annotated[int, typer.Option(min=1, help="In how many of these rounds the slow ways are timed, in turn.")]
Passes = Annotated[int, typer.Option(min=1, help="Passes of Monte Carlo dropout.")]
NaivePasses = Annotated[int | None, typer.Option(min=1, help="Passes of the slow ways, scaled up; all if not said.")]
Rate = Annotated[float, typer.Option(min=0.0, max=0.99, help="Rate of a dropout of the head.")]
Batch = Annotated[int, typer.Option(min=1, help="Images per batch.")]
Runs = Annotated[
    list[Path] | None, typer.Argument(metavar="[RUN]...", help="Runs on the same images, a case of their own.")
]
Restarts = Annotated[int, typer.Option(min=1, help="Initial populations of the algorithm that is timed.")]
Seeds = Annotated[int, typer.Option(min=2, help="Over how many seeds the fitness is compared.")]
Evaluations = Annotated[int, typer.Option(min=200, help="Of weights, in each search whose fitness is compared.")]
Cases = Annotated[int, typer.Option(min=1, help="Drawn data sets of each kind and number of subjects.")]
Resamples = Annotated[int, typer.Option(min=10, help="Of each data set.")]
PageImages = Annotated[int, typer.Option(min=10, help="Test images of the page.")]
Openings = Annotated[int, typer.Option(min=1, help="How often the page is opened.")]
Overrides = Annotated[list[str] | None, typer.Argument(metavar="[OVERRIDE]...", help="What train.py is given.")]
Starts = Annotated[int, typer.Option(min=1, help="How often each process is started, in turn.")]
Turns = Annotated[int, typer.Option(min=1, help="How often two settings are timed, in turn.")]
Output = Annotated[Path | None, typer.Option(help="Write the fastest settings, as conf/tuned/<name>.yaml.")]
Csv = Annotated[Path | None, typer.Option(help="Write the table to this file.")]


@app.callback()
def benchmarks() -> None:
    """Compare alternatives within one run, so that the machine does not matter."""


def _set_up_torch(threads: int | None) -> dict[str, int | str]:
    """Set the number of threads; return what a table says of torch."""
    import torch

    from lightning_modules.trainer import set_up_torch

    set_up_torch()
    if threads:
        torch.set_num_threads(threads)
    return {"threads": torch.get_num_threads(), "torch": torch.__version__}


@app.command(epilog=examples("python -m benchmarks augmentation --threads 1"))
@report_user_errors()
def augmentation(batch: Batch = 64, rounds: Rounds = 10, threads: Threads = None, csv: Csv = None) -> None:
    """Compare transforms of a whole batch (transform.batched=true) with those of each image by albumentations.

    The ratio is the images per second of the former over those of the latter in this process, from the prepared images
    to a batch on the device of the network: the CPU, and a GPU where there is one.
    """
    facts = _set_up_torch(threads)
    import torch

    from benchmarks.augmentation import CASES, measure

    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    table = pd.DataFrame([measure(case, batch, rounds, device) for device in devices for case in CASES])
    show(table, "augmentation", table.columns)
    write(table.assign(**facts), csv)


@app.command(name="mc_dropout", epilog=examples("python -m benchmarks mc_dropout"))
@report_user_errors()
def mc_dropout(
    passes: Passes = 100,
    batch: Batch = 16,
    first_rate: Rate = 0.5,
    second_rate: Rate = 0.5,
    rounds: Rounds = 20,
    naive_rounds: SlowRounds = 3,
    naive_passes: NaivePasses = None,
    threads: Threads = None,
    csv: Csv = None,
) -> None:
    """Compare Monte Carlo dropout with one pass, with the plain way and with repeating the batch, in turn.

    VGG16 and MobileNetV2 with the head of paper 001; medians. With all passes of the slow ways it takes half an hour.
    """
    if naive_rounds > rounds:
        raise UserError(f"--naive-rounds {naive_rounds}: at most --rounds, which is {rounds}")
    facts = _set_up_torch(threads)
    from benchmarks.mc_dropout import CASES, Settings, measure

    settings = Settings(passes, batch, (first_rate, second_rate), rounds, naive_rounds, naive_passes or passes)
    rows = []
    for case in CASES:
        print(f"{case.name} ...")
        rows.append(measure(case, settings))
    table = pd.DataFrame(rows)
    columns = ("case", "plain_ms", "ours_ms", "ratio", "over_naive", "over_repeat", "over_features")
    show(table, f"mc_dropout, {passes} passes", columns)
    if settings.slow_passes != passes:
        print(f"naive and repeated batch: measured with {settings.slow_passes} passes, scaled up to {passes}")
    write(table.assign(**facts), csv)


@app.command(epilog=examples("python -m benchmarks ensemble --csv results/ensemble_benchmark.csv"))
@report_user_errors()
def ensemble(
    runs: Runs = None,
    restarts: Restarts = 10,
    rounds: Rounds = 10,
    deap_rounds: SlowRounds = 3,
    seeds: Seeds = 10,
    evaluations: Evaluations = 10_000,
    csv: Csv = None,
) -> None:
    """Compare the genetic algorithm with the same one in DEAP, in turn, and searches after equal evaluations.

    On drawn models, and on those of the runs that are named. It takes three minutes on an idle core.
    """
    if deap_rounds > rounds:
        raise UserError(f"--deap-rounds {deap_rounds}: at most --rounds, which is {rounds}")
    from benchmarks.ensemble import CASES, measure_fitness, measure_time, read_case
    from workflows.ensembles.config import GeneticConfig

    tables = []
    for case in [*CASES, *([read_case(runs)] if runs else [])]:
        print(f"{case.name} ...")
        times = measure_time(case, GeneticConfig(restarts=restarts), rounds, deap_rounds, seeds)
        fitness = measure_fitness(case, seeds, evaluations)
        # The same genetic algorithm; F1 of one initial population.
        show(times, case.name, ("way", "cpu_seconds", "cpu_ratio", "seconds", "ratio", "f1_mean", "p"))
        show(fitness, f"{case.name}, after equal evaluations", ("way", "evaluations", "f1_mean", "gap", "reached"))
        tables += [times, fitness]
    write(pd.concat(tables, ignore_index=True), csv, 6)


@app.command(epilog=examples("python -m benchmarks coverage --csv results/coverage.csv"))
@report_user_errors()
def coverage(cases: Cases = 1000, resamples: Resamples = 1000, csv: Csv = None) -> None:
    """Count how often 95 % intervals cover the truth, on drawn data sets of 14, 42 and 100 subjects.

    Each way to make an interval, each main metric and differences between two models. About ten minutes.
    """
    from benchmarks.interval_coverage import METHODS, measure_all

    table = measure_all(cases, resamples)
    for world, rows in table.groupby("world", sort=False):
        shares = rows.set_index(["subjects", "metric", "method"])["share"].unstack(sort=False).reset_index()
        show(shares, f"{world}: share of the intervals that cover the truth", ("subjects", "metric", *METHODS))
    write(table, csv)


@app.command(epilog=examples("python -m benchmarks report --csv results/report.csv"))
@report_user_errors()
def report(images: PageImages = 2000, rounds: Openings = 7, csv: Csv = None) -> None:
    """Measure the page of scripts/report.py: its size, and how soon headless Chromium shows its first pictures.

    Of drawn cells, each with a heat map.
    """
    from benchmarks.report import measure

    with tempfile.TemporaryDirectory() as folder:
        row = measure(Path(folder), images, rounds)
    show(pd.DataFrame(row.items(), columns=["report", "figure"]), "report", ("report", "figure"))
    write(pd.DataFrame([row]).assign(rounds=rounds), csv, 2)


@app.command(epilog=examples("python -m benchmarks startup --csv results/startup.csv"))
@report_user_errors()
def startup(overrides: Overrides = None, rounds: Starts = 5, csv: Csv = None) -> None:
    """Measure a job from the start of its process to its first training batch, in fresh processes.

    Beside it a process that imports torch, timm, Lightning, Hydra and albumentations and ends, and both without
    Python's bytecode. Without overrides: a smoke run.
    """
    from benchmarks.startup import beyond_libraries, measure

    with tempfile.TemporaryDirectory() as folder:
        table = measure(Path(folder), overrides or USUAL, rounds)
    show(table, "startup", ("case", "bytecode", "phase", "wall_s"))
    beyond = [beyond_libraries(table, clock) for clock in ("wall_s", "cpu_s")]
    print(f"beyond the five libraries: {beyond[0]:.1f} s, {beyond[1]:.1f} s of CPU time")
    write(table.assign(overrides=" ".join(overrides or USUAL), torch=version("torch")), csv, 3)


@app.command(epilog=examples("python -m benchmarks autotune +experiment=resnet50_cut_block5"))
@report_user_errors()
def autotune(overrides: Overrides = None, rounds: Turns = 5, output: Output = None) -> None:
    """Find the fastest settings of a training on this machine, on the images and the network of an experiment.

    Of memory layout, precision, optimiser, compiler, threads and workers, each is tried on top of the fastest so far,
    and taken where it is 3 % faster, and faster in every round. They change results: precision by its rounding, the
    others by the order of sums.
    """
    with heavy_imports():
        from benchmarks.autotune import autotune as search
        from benchmarks.autotune import table
    words = overrides or USUAL
    with tempfile.TemporaryDirectory() as folder:
        trials = search(words, Path(folder), rounds)
    show(table(trials), "autotune", ("settings", "step_ms", "ratio", "lowest", "highest", "taken"))
    best = [trial.candidate for trial in trials if trial.taken][-1]
    say("fastest", best.command(words))
    if output:
        write_text(output, best.as_yaml(words))
        say(f"written: {output}", f"in conf/tuned: python train.py ... +tuned={output.stem}")


if __name__ == "__main__":
    app()
