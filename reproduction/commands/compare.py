"""Printed figures of the papers beside our measurements."""

from pathlib import Path
from typing import Annotated

from karyocyte.commands.shared.program import Argument, Option, program
from karyocyte.runs.names import run_path

Runs = Annotated[
    list[Path] | None,
    Argument(
        parser=run_path,
        metavar="[RUN...]",
        help="Folders of runs and ensembles.",
        show_default="the predictions in results/evidence",
    ),
]
Paper = Annotated[
    list[str] | None,
    Option(
        help="Such as 004, with all its figures; repeatable.", show_default="all papers; with runs, their experiments"
    ),
]
Csv = Annotated[Path | None, Option(help="Write the table with all its columns to this file.")]


def compare(runs: Runs = None, paper: Paper = None, csv: Csv = None) -> None:
    """Grade every printed figure by ours: of runs, or of the predictions in this repository.

    Where the paper's images, split and printed settings were repeated, a figure is [bold]reproduced[/bold] if the 95 %
    interval of ours holds it, else ours is [bold]higher[/bold] or [bold]lower[/bold]. On a part of the images it is
    [bold]consistent[/bold], higher or lower, on another data set [bold]other images[/bold]. [bold]Not run[/bold] gives
    the reason, such as another image size or other weights.
    """
    from karyocyte.common.cli import console, say
    from karyocyte.common.errors import UserError
    from karyocyte.common.files import write_csv
    from karyocyte.evaluation.tables.renderers import terminal
    from reproduction.grades import grade_summary, grade_table
    from reproduction.tables import figure_tables

    table = grade_table(runs or [], paper or ())
    has_run = table["measurement"] > 0
    if runs and not has_run.any():
        raise UserError("none of these runs is an experiment of a paper: results/claims.csv names them")
    if runs and not paper:
        table = table[has_run]
    for drawn in figure_tables(table):
        console.print(terminal(drawn), drawn.reading, "", sep="\n")
    say(grade_summary(table))
    if csv:
        write_csv(csv, table, "%.6g")
        say(f"written to {csv}")


app = program(
    compare,
    "python scripts/compare.py --paper 004 --csv compared.csv",
    "python scripts/compare.py outputs/resnet50_cut_block5/paper-fold0-*/seed=*",
)
