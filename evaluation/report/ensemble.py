"""Members and weights of an ensemble, and how far the weights hold beyond the images that they were fitted on."""

from typing import Any

import pandas as pd

from common.runs.run import Run
from evaluation.report.blocks import Row, Section, Table, number
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
    caption = f"Members, joined by {{}}{fold}"
    if run.status.members:  # an ensemble of an older revision has no file of its own
        labels = [Row(last_part(folder, 3), []) for folder in run.status.members]
        reading = "Each member is a whole model. Nothing was fitted."
        return Table(caption.format("average"), reading, ["member"], labels)
    made = run.ensemble
    images = made.fitted_on.get("images")
    fitted = f"Fitted on {images:,} validation images." if images else "Nothing was fitted."
    weights = made.combiner.get("weights")
    if weights:
        rows = [Row(label, [f"{weight:.3f}"]) for label, weight in zip(made.labels, weights, strict=True)]
        reading = f"The larger the weight, the more a member's probability counts. {fitted}"
        return Table(caption.format(made.method), reading, ["member", "weight"], rows)
    rows = [Row(label, []) for label in made.labels]
    return Table(caption.format(made.method), f"Each member is a whole model. {fitted}", ["member"], rows)


def _overfitting(table: pd.DataFrame, fold: str) -> Table:
    table = table[(table["metric"] == "f1_weighted") & (table["fold"].astype(str) == "all")]
    parts = [part for part in PARTS if part in table and table[part].notna().any()]
    rows = []
    for row in table.astype(object).where(table.notna(), None).to_dict("records"):
        cells = [_cell(row, part) for part in parts]
        rows.append(Row(row["model"], [*cells, number(row.get("gap"), "+", "-")], row["kind"]))
    return Table(
        f"Weighted F1 on validation and on test{fold}",
        "Weights that were fitted too closely to the validation images shine there and fall on test: the gap is by "
        "how much. The members, which were not fitted on them, show what gap is usual.",
        ["model", *(PARTS[part] for part in parts), "gap"],
        rows,
    )


def _cell(row: dict[str, Any], part: str) -> str:
    value = number(row[part], undefined="-")
    if row.get(f"{part}_low") is None:
        return value
    return f"{value} ({row[f'{part}_low']:.3f} to {row[f'{part}_high']:.3f})"
