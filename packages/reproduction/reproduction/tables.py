"""The graded figures as tables, for the terminal and for the page of a reproduction."""

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
from karyocyte.evaluation.types.formats import SEPARATOR, ends
from karyocyte.evaluation.types.result import Estimate
from karyocyte.evaluation.types.table import Cell, Table
from reproduction.grades import counted_as, grade_summary, grade_table

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
        first = rows.iloc[0]
        title = ", ".join(filter(None, (experiment, first["reading"], f"paper {paper}", first["data"])))
        cells = map(figure_cells, rows.to_dict("records"))
        tables.append(Table.of(title, cells, "; ".join(_notes(rows)), detail=("rivals",)))
    without = figures[~has_run & (figures["printed"] != "")].replace({"experiment": {"": "networks of others"}})
    counts = without.groupby(["experiment", "grade"], sort=False).size().rename("figures")
    tables.append(Table.of_frame("Without a run", counts.reset_index()))
    return list(filter(None, tables))


def _notes(rows: pd.DataFrame) -> list[str]:
    """Return what is to be said below a table: why no grade, on what, deviations, and what an epoch loss is."""
    notes = list(dict.fromkeys(grade for grade in rows["grade"] if ":" in grade and not grade.endswith("wide")))
    parts = rows.dropna(subset="images").drop_duplicates("part")
    for part, images, of_images in parts[["part", "images", "of_images"]].itertuples(index=False):
        notes.append(f"{part}: {images:,} of {of_images:,} images")
    if failed := failed_trainings(rows["one_class"].iloc[0]):
        notes.append(failed)
    deviations = dict.fromkeys(chain.from_iterable(rows["deviations"].str.split(SEPARATOR)))
    if any(deviations):
        notes.append("deviations: " + ", ".join(filter(None, deviations)))
    if "epoch_loss" in set(rows["metric"]):
        notes.append(EPOCH_LOSS)
    return notes


def failed_trainings(one_class: str) -> str:
    """Return the words for "1 of 3" trainings that named one class; "" for none."""
    if one_class[:2] in ("", "0 "):
        return ""
    return f"{one_class} trainings named one class for all images; the figures are of the others"


def figure_cells(row: Mapping[str, Any]) -> dict[str, Cell]:
    """Return the cells of a figure."""
    return {
        "figure": f"{row['part']} {in_words(str(row['metric']))[0]}",
        "printed": str(row["printed"]) or "-",
        "ours, new persons": _ours(row, "value", "persons_low", "persons_high"),
        "minus print": ends(row["difference_low"], row["difference_high"], "+", " to\n") or "-",
        "grade": counted_as(str(row["grade"])),
        "rivals": row["rivals"] or "-",
        "persons apart": _ours(row, "apart", "apart_low", "apart_high"),
    }


def _ours(row: Mapping[str, Any], *columns: str) -> Estimate | str:
    """Our value with its interval; "-" where it was not measured."""
    known = [None if pd.isna(row[name]) else row[name] for name in columns]
    return "-" if known[0] is None else Estimate(*known)
