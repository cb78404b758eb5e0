"""Options of scripts/evaluate.py."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from karyocyte.runs.names import run_word

Part = Annotated[
    Literal["test", "validation"],
    typer.Option(help="validation: the images that settings are chosen by; karyotypes are calibrated on them."),
]
Group = Annotated[
    str | None,
    typer.Option(help="Evaluate only the images of this group, such as one of several sets of chromosomes."),
]
ResultsCsv = Annotated[
    Path | None,
    typer.Option(help="With --paper: write the grades into this table."),
]
EvaluatedRuns = Annotated[
    list[str] | None,
    typer.Argument(
        parser=run_word,
        metavar="[RUN...] [KEY=VALUE...]",
        help="Run folders, names or predictions.parquet, the folds of one experiment are pooled, or tables of "
        "scripts/predict.py; keys of evaluation.",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        help="Write metrics.json, tables and pictures into this new folder; of several experiments pairs.csv, "
        "the ROC curves, and the persons whom nobody would look at."
    ),
]
Paper = Annotated[
    list[str] | None,
    typer.Option(
        help="Grade the figures that a paper prints, such as 004; repeatable. all: of all papers, with runs those of "
        "their experiments. Without runs: by the predictions in results/evidence.",
    ),
]
