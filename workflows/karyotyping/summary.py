"""What scripts/karyotype.py says of its cells: on the terminal and on the page."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from common.cli import console, say
from common.text import counted
from datamodules.inference.cell_images import FileStatus
from datamodules.inference.image_files import describe_others
from evaluation.renderers import frame_table
from evaluation.tables import Table

CASES = (
    "Cases of several cells, which decide together on the constitution. A gain counts in two cells, a loss in three "
    "(or in all of a case with fewer); other changes are those of single cells."
)
LISTED = 10  # cells, or folders, on the terminal
LETTERS = 24  # of a cell's name and of a karyotype in the table, beside which reasons wrap within 80 columns


class Tables(NamedTuple):
    """karyotypes.csv, chromosomes.csv and cases.csv, which may be empty."""

    cells: pd.DataFrame
    chromosomes: pd.DataFrame
    cases: pd.DataFrame


def data_warnings(chromosomes: pd.DataFrame) -> list[str]:
    """Warn of images that the runs were trained on, and of files that are in several cells."""
    lines = []
    trained_on = chromosomes[chromosomes["seen"] == "train"]
    if len(trained_on):
        cells = trained_on[["case", "cell"]].drop_duplicates()
        were = "was" if len(trained_on) == 1 else "were"
        images = f"{counted(len(trained_on), 'image')} of {counted(len(cells), 'cell')}"
        lines.append(f"{images} {were} trained on")
    used = chromosomes[chromosomes["status"] == FileStatus.USED]
    again = int(used["sha256"].duplicated(keep=False).sum())
    if again:
        lines.append(f"{counted(again, 'image')} in several cells: see equal values of sha256 in chromosomes.csv")
    return lines


def case_tables(cases: pd.DataFrame) -> list[Table]:
    """Return the table of cases for the page, if there is any."""
    rows = []
    for case in cases.fillna("").to_dict("records"):
        row = {"case": str(case["case"]), "karyotype": str(case["karyotype"]), "cells": f"{case['cells']:,}"}
        row |= {"share of the largest clone": f"{case['share']:.2f}"}
        rows.append(row | {"in single cells": str(case["left_out"]), "other than alone": str(case["changed"])})
    return [Table.of("Cases", rows, CASES)] if rows else []


def summarise(tables: Tables, output: Path, others: Mapping[str, int], beside: int) -> None:
    """Account for every file and print the most doubtful cells.

    Args:
        tables: What was written.
        output: The folder that was written.
        others: Number of files that are no images, by kind.
        beside: Number of karyograms that the page does not contain.
    """
    cells, chromosomes, cases = tables
    kinds = cells["kind"].fillna("without karyotype").str.replace("_", " ").value_counts()
    statuses = chromosomes["status"].value_counts()
    numbers = [f"{statuses.get(str(status), 0):,} {status}" for status in FileStatus]
    referred = cells[cells["refer"] == "yes"]
    lines = [
        f"{counted(len(cells), 'cell')}: {', '.join(f'{count:,} {kind}' for kind, count in kinds.items())}",
        f"{counted(len(chromosomes), 'image')}: {', '.join(numbers)}",
        describe_others(dict(others)),
        f"to be referred to an expert: {len(referred):,}",
    ]
    if beside:
        lines.append(f"index.html contains the karyograms of all but {beside:,} cells, which are in karyograms/")
    if len(cases):
        lines.append(f"{counted(len(cases), 'case')} of several cells: see cases.csv")
    say(str(output / "index.html"), *lines)
    if len(referred):
        _print_doubtful(referred)


def _print_doubtful(referred: pd.DataFrame) -> None:
    shown = referred.sort_values("probability", na_position="first").head(LISTED)
    titles = [name if pd.isna(case) else f"{case} / {name}" for case, name in shown[["case", "cell"]].to_numpy()]
    frame = pd.DataFrame(
        {
            "cell": pd.Series(titles, shown.index).str[-LETTERS:],
            "karyotype": shown["karyotype"].fillna("none").str[:LETTERS],
            "probability": shown["probability"],
            "reason": shown["reason"],
        }
    )
    title = "to be referred"
    if len(shown) < len(referred):
        title = f"to be referred: the {len(shown)} least probable of {len(referred):,}; karyotypes.csv has all"
    console.print(frame_table(frame, title))
