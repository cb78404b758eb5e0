"""The printed figures and ours as tables, for the terminal and the page of a reproduction."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from karyocyte.evaluation.pages.blocks import metric_title
from karyocyte.evaluation.result import Estimate
from karyocyte.evaluation.tables import Cell, Table

EPOCH_LOSS = "The epoch loss is the mean over the batches of an epoch, with dropout, as Keras prints it."
TEXT = ("paper", "section", "experiment", "printed", "note", "data", "grade", "deviations")
MEASUREMENT = ["paper", "experiment", "measurement"]


def read_figures(path: Path) -> pd.DataFrame:
    """Read a table that compare.py wrote; what is unknown is NaN in numbers and "" in text."""
    return pd.read_csv(path, dtype=dict.fromkeys(TEXT, str)).fillna(dict.fromkeys(TEXT, ""))


def figure_tables(figures: pd.DataFrame) -> list[Table]:
    """Return a table for each measurement of an experiment and, at the end, one of the experiments without a run."""
    tables = []
    has_run = figures["measurement"] > 0
    for _, rows in figures[has_run].groupby(MEASUREMENT, sort=False):
        first = rows.iloc[0]
        details = dict.fromkeys(filter(None, map(grade_detail, rows["grade"])))
        deviations = dict.fromkeys(filter(None, "; ".join(rows["deviations"]).split("; ")))
        notes = [f"{grade}." for grade in details]
        notes += [f"Deviations: {'; '.join(deviations)}."] * bool(deviations)
        notes += [EPOCH_LOSS] * ("epoch_loss" in set(rows["metric"]))
        title = f"{first['experiment']}, paper {first['paper']}, {first['data']}"
        tables.append(Table.of(title, map(figure_cells, rows.to_dict("records")), " ".join(notes)))
    without = figures[~has_run & (figures["printed"] != "")]
    if len(without):
        counts = without.assign(name=without["experiment"].where(without["experiment"] != "", "no experiment of ours"))
        rows = counts.groupby(["name", "grade"], sort=False).size().rename("figures").reset_index()
        tables.append(Table.of_frame("Without a run", rows.rename(columns={"name": "experiment"})))
    return tables


def grade_detail(grade: str) -> str:
    """Return the grade where it says more than one or two words: a reason, or a part of the images."""
    return grade[:1].upper() + grade[1:] if {":", ","} & set(grade) else ""


def figure_cells(row: Mapping[str, object]) -> dict[str, Cell]:
    """Return the cells of a figure."""
    return {
        "figure": f"{row['part']} {metric_title(str(row['metric']))}",
        "printed": str(row["printed"]) or "-",
        "split as the paper": ours(row, ("value", "low", "high")),
        "subjects apart": ours(row, ("apart", "apart_low", "apart_high")),
        "grade": str(row["grade"]).partition(":")[0].partition(",")[0],
    }


def ours(row: Mapping[str, object], columns: tuple[str, str, str]) -> Estimate | str:
    """Our value with its interval; "-" where it was not measured."""
    ends = pd.Series([row[name] for name in columns], dtype=object)
    return "-" if pd.isna(ends[0]) else Estimate(*ends.where(ends.notna(), None))
