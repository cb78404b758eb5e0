"""Runs, or a sweep, in one table: means over folds and seeds with intervals, and what they cost."""

import sys
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the packages of the checkout are not installed
from common.errors import quiet_interrupts

quiet_interrupts()  # the imports take a while
import typer

from common.cli import TYPER, examples, report_user_errors
from scripts.sweep_status import OutputDir, Places

Csv = Annotated[
    Path | None,
    typer.Option(help="Write the table to this file.", show_default="in the sweep's folder; of runs: only shown"),
]
Each = Annotated[bool, typer.Option("--runs", help="A row per run, each as it evaluated itself.")]
Confidence = Annotated[float, typer.Option(min=0.5, max=0.999, help="Nominal coverage of the intervals.")]

app = typer.Typer(**TYPER)


@app.command(
    epilog=examples(
        "python scripts/collect.py cnmc_grid",
        "python scripts/collect.py cnmc_grid --runs --csv every_run.csv",
        "python scripts/collect.py outputs/resnet50_cut_block5 outputs/vgg16_features",
    )
)
@report_user_errors()
def collect(
    places: Places = None,
    output_dir: OutputDir = Path("outputs"),
    csv: Csv = None,
    each: Each = False,
    confidence: Confidence = 0.95,
) -> None:
    """Collect runs: a row per experiment and protocol, whatever differs but fold and seed.

    A value is the mean over all runs of a row. Its interval is [bold]over subjects[/bold] (images where none is known):
    the variation with other people; all runs that tested a subject move together. Where there are several seeds,
    another interval (..._with_seeds) is [bold]over subjects and seeds[/bold]: with other random numbers, too.
    Over [bold]folds[/bold] there is a standard deviation only: they share training images, so no interval is unbiased.

    Jobs that failed or are missing are counted; hours and memory that were not measured are empty. Hours of GPUs are
    wall time times devices, those of CPUs processor time. A GPU that several jobs share (cluster.pack) counts whole
    for each of them.
    """
    # Imported here so that --help and a mistyped name cost nothing.
    from common.cli import console, say
    from workflows.sweeps.selection import select

    selection = select(places or [], output_dir)
    from workflows.sweeps.collect import collect_rows, run_rows, write_collected
    from workflows.sweeps.collect_table import collected_table

    with console.status("evaluating the runs"):
        statuses = selection.statuses()
        rows = run_rows(statuses) if each else collect_rows(statuses, confidence)
    console.print(collected_table(rows, console.width, confidence, each))
    path = csv
    if path is None and selection.folder:
        path = selection.folder / ("runs.csv" if each else "table.csv")
    if path:
        write_collected(path, rows)
        say(f"written to {path}")


if __name__ == "__main__":
    app()
