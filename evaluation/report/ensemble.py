"""Members and weights of an ensemble, and how far the weights hold beyond the images that they were fitted on."""

from math import nan

import pandas as pd

from common.runs.run import Run
from evaluation.core.formats import interval
from evaluation.report.blocks import Section, Table
from evaluation.report.sources import Chapter
from evaluation.report.summary import last_part

PARTS = {"validation": "validation", "nested": "validation, held out", "test": "test"}


def members_section(chapter: Chapter, name: str) -> Section:
    """Show the members, their weights, and validation beside test; empty for a run that is no ensemble."""
    tables = []
    for run in chapter.runs:
        if run.is_ensemble:
            tables.append(_members(run, chapter.suffix_of(run)))
            path = run.folder / "overfitting.csv"
            if path.is_file():
                tables.append(_overfitting(pd.read_csv(path), chapter.suffix_of(run)))
    return Section("The ensemble", name, tables=tables)


def _members(run: Run, fold: str) -> Table:
    fitted = "Nothing was fitted."
    method = "average"
    weights = None
    # An ensemble of an older revision names its members here and has no file of its own.
    labels = [last_part(folder, 3) for folder in run.status.members]
    if not labels:
        method = run.ensemble.method
        labels = list(run.ensemble.labels)
        weights = run.ensemble.combiner.get("weights")
        if run.ensemble.fitted_on.get("images"):
            fitted = f"Fitted on {run.ensemble.fitted_on['images']:,} validation images."
    rows = [{"member": label} for label in labels]
    reading = "Each member is a whole model."
    if weights:
        reading = "The larger the weight, the more a member's probability counts."
        for row, weight in zip(rows, weights, strict=True):
            row["weight"] = f"{weight:.3f}"
    return Table(f"Members, joined by {method}{fold}", f"{reading} {fitted}", rows)


def _overfitting(table: pd.DataFrame, fold: str) -> Table:
    table = table[(table["metric"] == "f1_weighted") & (table["fold"].astype(str) == "all")]
    rows = []
    for line in table.to_dict("records"):
        row = {"model": f"{line['model']}\n{line['kind']}"}
        for part, title in PARTS.items():
            if part in table and table[part].notna().any():
                value = interval(line[part], line.get(f"{part}_low", nan), line.get(f"{part}_high", nan))
                row[title] = value.replace("undefined", "-")
        row["gap"] = interval(line.get("gap", nan), nan, nan, "+").replace("undefined", "-")
        rows.append(row)
    return Table(
        f"Weighted F1 on validation and on test{fold}",
        "Weights that were fitted too closely to the validation images shine there and fall on test: the gap is by "
        "how much. The members, which were not fitted on them, show what gap is usual.",
        rows,
    )
