"""Printed figures of the papers beside our measurements."""

from pathlib import Path
from typing import Annotated

from karyocyte.commands.shared.program import Argument, Option, program
from karyocyte.common.runs.names import run_path

Runs = Annotated[
    list[Path] | None,
    Argument(
        parser=run_path,
        metavar="[RUN...]",
        help="Folders of runs and ensembles, or tables of evaluate.py --csv.",
        show_default="the tables in results/",
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
    """Compare every printed figure with ours: of runs, or of the measured tables of this repository.

    A figure is [bold]reproduced[/bold] where the 95 % interval of ours holds it, ours is [bold]higher[/bold] or
    [bold]lower[/bold] where it does not. It is [bold]not comparable[/bold], with the reason, where the paper's images,
    split, weights, image size, network, augmentation or budget were not repeated, or are not known, and where an
    interval that holds the figure is wide.
    """
    from karyocyte.workflows.papers.verdicts import show_comparison

    show_comparison(runs or [], tuple(paper or ()), csv)


app = program(
    compare,
    "python scripts/compare.py --paper 004 --csv compared.csv",
    "python scripts/compare.py outputs/resnet50_cut_block5/paper-fold0-*/seed=*",
)
