"""Runs, or a sweep, in one table: means over folds and seeds with intervals, and what they cost."""

from pathlib import Path
from typing import Annotated

from karyocyte.commands.shared.program import Argument, Option, program
from karyocyte.commands.sweep_status import OutputDir

Places = Annotated[
    list[str] | None,
    Argument(
        metavar="[SWEEP | RUN...]",
        help="A sweep's folder or name, or folders that hold runs.",
        show_default="the newest sweep",
    ),
]
Csv = Annotated[Path | None, Option(help="Write the table with all its columns to this file.")]
Each = Annotated[bool, Option("--runs", help="A row per run.")]


def collect(
    places: Places = None, output_dir: OutputDir = Path("outputs"), csv: Csv = None, each: Each = False
) -> None:
    """Collect runs: a row per experiment and protocol, whatever differs but fold and seed.

    A value is the mean over all runs of a row. Its interval is [bold]over subjects[/bold] (images where none is known):
    the variation with other people; all runs that tested a subject move together. Where there are several seeds,
    another interval (..._with_seeds) is [bold]over subjects and seeds[/bold]: with other random numbers, too.
    Over [bold]folds[/bold] there is a standard deviation only: they share training images, so no interval is unbiased.

    Hours of GPUs are wall time times devices, those of CPUs processor time.
    """
    # Imported here so that --help and a mistyped name cost nothing.
    from karyocyte.common.cli import console, say
    from karyocyte.common.files import write_csv
    from karyocyte.workflows.sweeps.selection import find_runs

    runs = find_runs(places or [], output_dir)
    from karyocyte.workflows.sweeps.collect import collect_rows, collected_table

    with console.status("evaluating the runs"):
        rows = collect_rows(runs, each)
    console.print(collected_table(rows))
    if csv:
        write_csv(csv, rows, "%.6f")
        say(f"written to {csv}")


app = program(
    collect,
    "python scripts/collect.py cnmc_grid",
    "python scripts/collect.py cnmc_grid --runs --csv every_run.csv",
    "python scripts/collect.py outputs/resnet50_cut_block5 outputs/vgg16_features",
)
