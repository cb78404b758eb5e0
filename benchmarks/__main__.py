"""Benchmarks: each compares alternatives within one run, so that the machine does not matter."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

# The packages stand beside scripts/ in the checkout and are not installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.cli import report_user_errors

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)

Steps = Annotated[int, typer.Option(min=20, help="Steps of each loop; the first tenth is not counted.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads of torch; its own choice if not said.")]
Rounds = Annotated[int, typer.Option(min=1, help="How often one pass, and ours, are measured.")]
SlowRounds = Annotated[
    int, typer.Option(min=1, help="In how many of these rounds the slow ways are measured, in turn.")
]
Passes = Annotated[int, typer.Option(min=1, help="Passes of Monte Carlo dropout.")]
NaivePasses = Annotated[int | None, typer.Option(min=1, help="Passes of the slow ways, scaled up; all if not said.")]
Rate = Annotated[float, typer.Option(min=0.0, max=0.99, help="Rate of a dropout of the head.")]
Batch = Annotated[int, typer.Option(min=1, help="Images per batch.")]
Runs = Annotated[
    list[Path] | None, typer.Argument(metavar="[RUN]...", help="Runs on the same images, a case of their own.")
]
Restarts = Annotated[int, typer.Option(min=1, help="Initial populations of the algorithm that is timed.")]
TimedRounds = Annotated[int, typer.Option(min=1, help="How often ours is timed.")]
DeapRounds = Annotated[int, typer.Option(min=1, help="In how many of these rounds DEAP is timed, in turn.")]
Seeds = Annotated[int, typer.Option(min=2, help="Over how many seeds the fitness is compared.")]
Evaluations = Annotated[int, typer.Option(min=200, help="Of weights, in each search whose fitness is compared.")]
Cases = Annotated[int, typer.Option(min=1, help="Drawn data sets of each kind and number of subjects.")]
Resamples = Annotated[int, typer.Option(min=10, help="Of each data set.")]
PageImages = Annotated[int, typer.Option(min=10, help="Test images of the page.")]
Openings = Annotated[int, typer.Option(min=1, help="How often the page is opened.")]
Overrides = Annotated[list[str] | None, typer.Argument(metavar="[OVERRIDE]...", help="What train.py is given.")]
Starts = Annotated[int, typer.Option(min=1, help="How often each process is started, in turn.")]
Csv = Annotated[Path | None, typer.Option(help="Write the table to this file.")]


@app.callback()
def benchmarks() -> None:
    """Compare alternatives within one run, so that the machine does not matter."""


@app.command()
@report_user_errors()
def overhead(steps: Steps = 200, threads: Threads = None, csv: Csv = None) -> None:
    """Compare train.py's training step with a bare PyTorch loop: same model, same batches, step by step in turn.

    The ratio is the median time of a bare step over the median time of train.py's, on drawn cells: 1 is no overhead.

    [bold]python -m benchmarks overhead[/bold]
    """
    import pandas as pd
    import torch
    from rich.console import Console
    from rich.table import Table

    from benchmarks.overhead import CASES, measure
    from lightning_modules.trainer import set_up_torch

    set_up_torch()
    if threads:
        torch.set_num_threads(threads)
    console = Console()
    rows = []
    for case in CASES:
        rows.append(measure(case, max(20, steps // 4) if case.heavy else steps))
        row = rows[-1]
        console.print(f"{row['case']}: {row['bare_ms']:.1f} ms bare, {row['ours_ms']:.1f} ms ours", highlight=False)
    table = pd.DataFrame(rows).assign(threads=torch.get_num_threads(), torch=torch.__version__)
    shown = Table("case", "bare step, ms", "(fetch)", "our step, ms", "(fetch)", "bare / ours", title="overhead")
    for row in rows:
        times = [f"{row[f'{name}_ms']:.2f}" for name in ("bare", "bare_fetch", "ours", "ours_fetch")]
        shown.add_row(row["case"], *times, f"{row['ratio']:.3f}")
    console.print(shown)
    _write(csv, table)


@app.command(name="mc_dropout")
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

    [bold]python -m benchmarks mc_dropout[/bold]
    """
    import pandas as pd
    import torch
    from rich.console import Console
    from rich.table import Table

    from benchmarks.mc_dropout import CASES, Settings, measure
    from common.errors import UserError
    from lightning_modules.trainer import set_up_torch

    set_up_torch()
    if naive_rounds > rounds:
        raise UserError(f"--naive-rounds {naive_rounds}: at most --rounds, which is {rounds}")
    if threads:
        torch.set_num_threads(threads)
    console = Console()
    rows = []
    settings = Settings(passes, batch, (first_rate, second_rate), rounds, naive_rounds, naive_passes or passes)
    for case in CASES:
        console.print(f"{case.name} ...", highlight=False)
        rows.append(measure(case, settings))
    table = pd.DataFrame(rows).assign(threads=torch.get_num_threads(), torch=torch.__version__)
    heads = ("one pass, ms", f"{passes} passes, ms", "ratio to one", "faster than naive", "than repeated batch")
    shown = Table("case", *heads, "than repeated features", title="mc_dropout")
    for row in rows:
        factors = [f"{row[f'over_{name}']:.1f}" for name in ("naive", "repeat", "features")]
        shown.add_row(row["case"], f"{row['plain_ms']:.0f}", f"{row['ours_ms']:.0f}", f"{row['ratio']:.2f}", *factors)
    console.print(shown)
    if settings.slow_passes != passes:
        console.print(f"naive and repeated batch: measured with {settings.slow_passes} passes, scaled up to {passes}")
    _write(csv, table)


@app.command()
@report_user_errors()
def ensemble(
    runs: Runs = None,
    restarts: Restarts = 10,
    rounds: TimedRounds = 10,
    deap_rounds: DeapRounds = 3,
    seeds: Seeds = 10,
    evaluations: Evaluations = 10_000,
    csv: Csv = None,
) -> None:
    """Compare the genetic algorithm with the same one in DEAP, in turn, and searches after equal evaluations.

    On drawn models, and on those of the runs that are named. It takes three minutes on an idle core.

    [bold]python -m benchmarks ensemble --csv results/ensemble_benchmark.csv[/bold]
    """
    import pandas as pd
    from rich.console import Console

    from benchmarks.ensemble import (
        CASES,
        Case,
        RunCase,
        Settings,
        fitness_table,
        measure_fitness,
        measure_time,
        read_case,
        time_table,
    )
    from common.config.ensemble import GeneticConfig
    from common.errors import UserError

    if deap_rounds > rounds:
        raise UserError(f"--deap-rounds {deap_rounds}: at most --rounds, which is {rounds}")
    console = Console()
    settings = Settings(GeneticConfig(restarts=restarts), rounds, deap_rounds, seeds, evaluations)
    rows = []
    cases: list[Case | RunCase] = [*CASES]
    if runs:
        cases.append(read_case(runs))
    for case in cases:
        console.print(f"{case.name} ...", highlight=False)
        times = measure_time(case, settings)
        fitness = measure_fitness(case, settings)
        console.print(time_table(times), fitness_table(fitness))
        rows += times + fitness
    _write(csv, pd.DataFrame(rows), 6)


@app.command()
@report_user_errors()
def coverage(cases: Cases = 1000, resamples: Resamples = 1000, csv: Csv = None) -> None:
    """Count how often 95 % intervals cover the truth, on drawn data sets of 14, 42 and 100 subjects.

    Each way to make an interval, each main metric and differences between two models. About ten minutes.

    [bold]python -m benchmarks coverage --csv results/coverage.csv[/bold]
    """
    from rich.console import Console

    from benchmarks.interval_coverage import coverage_table, measure_all

    table = measure_all(cases, resamples)
    for world in table["world"].unique():
        Console().print(coverage_table(table, world))
    _write(csv, table)


@app.command()
@report_user_errors()
def report(images: PageImages = 2000, rounds: Openings = 7, csv: Csv = None) -> None:
    """Measure the page of scripts/report.py: its size, and how soon headless Chromium shows its first pictures.

    Of drawn cells, each with a heat map.

    [bold]python -m benchmarks report --csv results/report.csv[/bold]
    """
    import tempfile

    import pandas as pd
    from rich.console import Console

    from benchmarks.report import measure
    from evaluation.terminal import frame_table

    with tempfile.TemporaryDirectory() as folder:
        row = measure(Path(folder), images, rounds)
    Console().print(frame_table(pd.DataFrame(row.items(), columns=["report", "figure"]), "report"))
    _write(csv, pd.DataFrame([row]).assign(rounds=rounds), 2)


@app.command()
@report_user_errors()
def startup(overrides: Overrides = None, rounds: Starts = 5, csv: Csv = None) -> None:
    """Measure a job from the start of its process to its first training batch, in fresh processes.

    Beside it a process that imports torch, timm, Lightning, Hydra and albumentations and ends, and both without
    Python's bytecode. Without overrides: a smoke run.

    [bold]python -m benchmarks startup --csv results/startup.csv[/bold]
    """
    import tempfile
    from importlib.metadata import version

    from benchmarks.startup import USUAL, beyond_libraries, measure

    with tempfile.TemporaryDirectory() as folder:
        table = measure(Path(folder), overrides or USUAL, rounds, print)
    wide = table.pivot_table("wall_s", "phase", ["case", "bytecode"], sort=False)
    print(wide.round(2).to_string(na_rep=""))
    beyond = [beyond_libraries(table, clock) for clock in ("wall_s", "cpu_s")]
    print(f"beyond the five libraries: {beyond[0]:.1f} s, {beyond[1]:.1f} s of CPU time")
    _write(csv, table.assign(overrides=" ".join(overrides or USUAL), torch=version("torch")), 3)


def _write(csv: Path | None, table: "pd.DataFrame", digits: int = 4) -> None:
    """Write a table with the revision of the code, where a file is named."""
    from common.files import write_csv
    from common.revision import revision

    if csv:
        write_csv(csv, table.assign(revision=revision()).round(digits))


if __name__ == "__main__":
    app()
