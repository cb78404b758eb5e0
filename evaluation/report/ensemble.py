"""What an ensemble is made of, and how far its weights hold beyond the images that they were fitted on."""

import pandas as pd

from common.runs.files import RunFile
from evaluation.report.blocks import Row, Section, Table
from evaluation.report.sources import Chapter, Source
from evaluation.report.summary import last_part

PARTS = {"validation": "validation", "nested": "validation, held out", "test": "test"}


def members_section(chapter: Chapter, name: str) -> Section:
    """Show the members, their weights, and validation beside test; empty for a run that is no ensemble."""
    tables = []
    for source in chapter.sources:
        if len(chapter.sources) > 1:
            fold = f", fold {source.predictions.about.get('fold')}"
        else:
            fold = ""
        tables += [_members(source, fold), _overfitting(source, fold)]
    return Section("The ensemble", name, tables=[table for table in tables if table])


def _members(source: Source, fold: str) -> Table | None:
    made = source.facts(RunFile.ENSEMBLE)
    # Older ensembles named their members in status.json alone.
    labels = made.get("labels") or [last_part(one, 3) for one in source.facts("status.json").get("members") or ()]
    if not labels:
        return None
    weights = (made.get("combiner") or {}).get("weights")
    fitted = made.get("fitted_on") or {}
    if fitted.get("images"):
        on = f" Fitted on {fitted['images']:,} validation images."
    else:
        on = " Nothing was fitted."
    if weights:
        shown = [[f"{weight:.3f}"] for weight in weights]
    else:
        shown = [[] for _ in labels]
    return Table(
        f"Members, joined by {made.get('method', 'average')}{fold}",
        (
            "The larger the weight, the more a member's probability counts."
            if weights
            else "Each member is a whole model."
        )
        + on,
        ["member", *(["weight"] if weights else [])],
        [Row(label, cells) for label, cells in zip(labels, shown, strict=True)],
    )


def _overfitting(source: Source, fold: str) -> Table | None:
    found = source.table("overfitting.csv")
    if found.empty:
        return None
    found = found[(found["metric"] == "f1_weighted") & (found["fold"].astype(str) == "all")]
    parts = {part: title for part, title in PARTS.items() if part in found and found[part].notna().any()}
    rows = [
        Row(str(row["model"]), [_cell(row, part) for part in parts] + [_number(row.get("gap"), "+")], str(row["kind"]))
        for row in found.to_dict("records")
    ]
    return Table(
        f"Weighted F1 on validation and on test{fold}",
        "Weights that were fitted too closely to the validation images shine there and fall on test: the gap says by "
        "how much. The members, which were not fitted on them, show what gap is usual.",
        ["model", *parts.values(), "gap"],
        rows,
    )


def _cell(row: dict, part: str) -> str:
    low = row.get(f"{part}_low")
    high = row.get(f"{part}_high")
    if low is None or pd.isna(low):
        ends = ""
    else:
        ends = f" ({low:.3f} to {high:.3f})"
    return _number(row[part]) + ends


def _number(value: float | None, sign: str = "") -> str:
    if value is None or pd.isna(value):
        return "-"
    return f"{value:{sign}.3f}"
