"""The graded figures as tables, for the terminal and for the page of a reproduction."""

import re
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from karyocyte.common.cli import console, say
from karyocyte.common.errors import UserError
from karyocyte.common.files import write_csv
from karyocyte.evaluation.metrics.classification import in_words
from karyocyte.evaluation.tables.renderers import terminal
from karyocyte.evaluation.types.formats import SEPARATOR
from karyocyte.evaluation.types.result import Estimate
from karyocyte.evaluation.types.table import Cell, Table
from reproduction.grades import grade_summary, grade_table

EPOCH_LOSS = "the epoch loss is the mean over the batches of an epoch, with dropout, as Keras prints it"


def show_grades(paths: Sequence[Path], papers: Sequence[str] = (), csv: Path | None = None) -> None:
    """Print figures beside those of runs (none named: of the kept predictions), and write them as a table.

    Of papers that are named these are all figures, else with runs only those of their experiments. A ``UserError`` says
    that none of the runs is of an experiment of the papers.
    """
    table = grade_table(paths, papers)
    has_run = table["measurement"] > 0
    if paths and not has_run.any():
        raise UserError("none of these runs is an experiment of a paper: results/claims.csv names them")
    if paths and not papers:
        table = table[has_run]
    for drawn in figure_tables(table):
        console.print(terminal(drawn), drawn.reading, "", sep="\n")
    say(grade_summary(table))
    if csv:
        write_csv(csv, table, "%.6g")
        say(f"written to {csv}")


def figure_tables(figures: pd.DataFrame) -> list[Table]:
    """Return a table for each measurement of an experiment and, at the end, one of the experiments without a run."""
    tables = []
    has_run = figures["measurement"] > 0
    for (paper, experiment, _), rows in figures[has_run].groupby(["paper", "experiment", "measurement"], sort=False):
        title = f"{experiment}, paper {paper}, {rows['data'].iloc[0]}"
        tables.append(Table.of(title, map(figure_cells, rows.to_dict("records")), "; ".join(_notes(rows))))
    without = figures[~has_run & (figures["printed"] != "")].replace({"experiment": {"": "networks of others"}})
    counts = without.groupby(["experiment", "grade"], sort=False).size().rename("figures")
    tables.append(Table.of_frame("Without a run", counts.reset_index()))
    return list(filter(None, tables))


def _notes(rows: pd.DataFrame) -> list[str]:
    """Return what is to be said below a table: why or on what, deviations, and what an epoch loss is."""
    notes = list(dict.fromkeys(re.sub(r"^\w+, ", "", grade) for grade in rows["grade"] if {":", ","} & set(grade)))
    deviations = dict.fromkeys(chain.from_iterable(rows["deviations"].str.split(SEPARATOR)))
    if any(deviations):
        notes.append("deviations: " + ", ".join(filter(None, deviations)))
    if "epoch_loss" in set(rows["metric"]):
        notes.append(EPOCH_LOSS)
    return notes


def figure_cells(row: Mapping[str, Any]) -> dict[str, Cell]:
    """Return the cells of a figure."""
    return {
        "figure": f"{row['part']} {in_words(str(row['metric']))[0]}",
        "printed": str(row["printed"]) or "-",
        "split as the paper": _ours(row, "value", "low", "high"),
        "subjects apart": _ours(row, "apart", "apart_low", "apart_high"),
        "grade": str(row["grade"]).partition(":")[0].partition(",")[0],
    }


def _ours(row: Mapping[str, Any], *columns: str) -> Estimate | str:
    """Our value with its interval; "-" where it was not measured."""
    ends = [None if pd.isna(row[name]) else row[name] for name in columns]
    return "-" if ends[0] is None else Estimate(*ends)
