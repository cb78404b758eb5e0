"""The printed figures and ours as tables, for the terminal and the page of a reproduction."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from karyocyte.evaluation.pages.blocks import metric_title
from karyocyte.evaluation.result import Estimate
from karyocyte.evaluation.tables import Cell, Table

EPOCH_LOSS = "The epoch loss is the mean over the batches of an epoch, with dropout, as Keras prints it."
NOT_MEASURED = "not measured"  # the verdict on a figure that has none of ours beside it
# Of several groups of runs on one figure the first of these counts: a figure is reproduced where none says otherwise.
ORDER = ("lower", "higher", "reproduced", "not comparable", NOT_MEASURED)
TEXT = ("paper", "printed", "reason", "deviation", "section", "measured_on")
FIGURE = ("paper", "experiment", "section", "part", "metric", "printed")
# What tells the measurements of one experiment apart.
MEASUREMENT = ["paper", "experiment", "section", "measured_on"]
MEASUREMENT += [f"{role}_{fact}" for role in ("as_paper", "honest") for fact in ("folds", "images_seen", "minutes")]


def read_figures(path: Path) -> pd.DataFrame:
    """Read a table that compare.py wrote; what is unknown is NaN in numbers and "" in text."""
    figures = pd.read_csv(path, dtype=dict.fromkeys(TEXT, str))
    columns = dict.fromkeys([*figures.columns, *TEXT, *MEASUREMENT])
    return figures.reindex(columns=list(columns)).fillna(dict.fromkeys(TEXT, ""))


def count_verdicts(figures: pd.DataFrame) -> dict[str, int]:
    """Count the printed figures by verdict, in the order of ORDER; each once, also where several groups measured it."""
    printed = figures[figures["printed"] != ""]  # of some experiments the paper prints no figure
    first = printed["verdict"].map(ORDER.index).groupby([printed[name] for name in FIGURE]).min()
    return {verdict: int((first == rank).sum()) for rank, verdict in enumerate(ORDER)}


def summary(figures: pd.DataFrame) -> str:
    """Return how many printed figures were measured, with which verdicts, and how many were not."""
    counts = count_verdicts(figures)
    missing = counts.pop(NOT_MEASURED)
    measured = sum(counts.values())
    text = f"{measured + missing} printed figures: {measured} measured"
    if measured:
        text += f" ({', '.join(f'{count} {verdict}' for verdict, count in counts.items() if count)})"
    if missing:
        text += f", {missing} {NOT_MEASURED}"
    return text


def figure_tables(figures: pd.DataFrame) -> list[Table]:
    """Return a table for each measurement of an experiment, with what makes its figures not comparable."""
    tables = []
    for _, rows in figures.groupby(MEASUREMENT, sort=False, dropna=False):
        first = rows.iloc[0]
        reasons = _numbered(rows["reason"])
        notes = []
        if reasons:
            listed = [f"{number}. {reason}".removeprefix(". ") for reason, number in reasons.items()]
            verdict = NOT_MEASURED if set(rows["verdict"]) == {NOT_MEASURED} else "not comparable"
            notes.append(f"{verdict.capitalize()}: {'; '.join(listed)}.")
        if "epoch_loss" in set(rows["metric"]):
            notes.append(EPOCH_LOSS)
        if first["deviation"]:
            notes.append(deviation_note(first["deviation"]))
        cells = [figure_cells(row, reasons) for row in rows.to_dict("records")]
        title = ", ".join(filter(None, (first["experiment"], f"section {first['section']}", first["measured_on"])))
        tables.append(Table.of(title, cells, " ".join(notes)))
    return tables


def _numbered(reasons: Iterable[str]) -> dict[str, str]:
    """Return a number for each reason of a table; "" where all figures have the same ones."""
    texts = list(reasons)
    several = list(filter(None, dict.fromkeys("; ".join(texts).split("; "))))
    if len(set(texts)) == 1:
        return dict.fromkeys(several, "")
    return dict(zip(several, map(str, range(1, len(several) + 1)), strict=True))


def deviation_note(deviation: str) -> str:
    """Say in what an experiment deviates from the paper's in a known way."""
    return f"Known deviation: {deviation}."


def figure_cells(row: Mapping[str, object], reasons: Mapping[str, str]) -> dict[str, Cell]:
    """Return the cells of a figure; ``reasons`` are the numbers that stand behind its verdict."""
    own = map(reasons.get, str(row["reason"]).split("; "))
    numbers = ", ".join(sorted(filter(None, own), key=int))
    return {
        "figure": f"{row['part']} {metric_title(str(row['metric']))}",
        "printed": str(row["printed"]) or "-",
        "split as the paper": _ours(row, "as_paper"),
        "honest split": _ours(row, "honest"),
        "verdict": f"{row['verdict']} {numbers}".strip(),
    }


def _ours(row: Mapping[str, object], role: str) -> Estimate | str:
    """Our value with its interval; "-" where it was not measured."""
    ends = pd.Series([row[role], row[f"{role}_low"], row[f"{role}_high"]], dtype=object)
    if pd.isna(ends[0]):
        return "-"
    return Estimate(*ends.where(ends.notna(), None))
