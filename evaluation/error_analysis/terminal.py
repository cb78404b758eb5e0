"""The tables of an error analysis, as CSV files and for the terminal."""

from pathlib import Path

import pandas as pd
from rich.markup import escape
from rich.table import Table

from common.files import write_csv
from evaluation.core.formats import interval, number
from evaluation.error_analysis.agreement import (
    ALL,
    AlignedPredictions,
    agreement,
    agreement_by_class,
    alone,
    missed,
    missed_by_class,
    missed_counts,
    predictions_by_model,
)


def write_tables(folder: Path, models: AlignedPredictions) -> None:
    """Write missed.csv, missed_counts.csv, alone.csv and agreement.csv."""
    images = missed(models)
    images["right"] = images["right"].map("; ".join)
    counts = missed_counts(models)
    counts.insert(0, "true_class", ALL)
    tables = {
        "missed": images.merge(predictions_by_model(models), on="image_id"),
        "missed_counts": pd.concat([counts, missed_by_class(models)], ignore_index=True),
        "alone": alone(models),
        "agreement": agreement_by_class(models),
    }
    for name, table in tables.items():
        write_csv(folder / f"{name}.csv", table, "%.6g")


def missed_table(models: AlignedPredictions) -> Table:
    """Return the number of images that exactly k models miss."""
    classes = models.classes if len(models.classes) == 2 else ()
    headings = ("k", "images", "share (95 %)", "if independent", *(f"is {name}" for name in classes))
    table = _table(f"images missed by exactly k of {len(models.models)} models", *headings)
    by_class = missed_by_class(models).set_index(["true_class", "k"])["images"]
    for row in missed_counts(models).itertuples():
        of_class = [f"{by_class.get((name, row.k), 0):,}" for name in classes]
        share = interval(row.share, row.low, row.high)
        table.add_row(f"{row.k}", f"{row.images:,}", share, f"{row.independent:,.1f}", *of_class)
    if pd.Series(models.subjects).dropna().duplicated().any():
        table.caption = "exact intervals; images of one subject are not independent, so they are too narrow"
    return table


def accuracy_table(models: AlignedPredictions) -> Table:
    """Return the accuracy of each model, and the images that it alone gets right or wrong."""
    headings = ("", "model", "right", "accuracy (95 %)", "right alone", "wrong alone")
    table = _table(f"each model, of {len(models.labels):,} images", *headings)
    table.columns[1].justify = "left"
    table.columns[1].overflow = "fold"
    table.columns[3].no_wrap = True
    for place, row in enumerate(alone(models).itertuples(), 1):
        place_text = str(place) if place <= len(models.models) else ""
        counts = ["" if pd.isna(count) else f"{count:,}" for count in (row.right_alone, row.wrong_alone)]
        accuracy = interval(row.accuracy, row.low, row.high)
        table.add_row(place_text, escape(row.model), f"{row.right:,}", accuracy, *counts)
    return table


def pairs_table(models: AlignedPredictions) -> Table:
    """Return the agreement of every pair of models, by their numbers in ``accuracy_table``."""
    headings = ("pair", "kappa", "disagreement", "double fault", "only the first right", "only the second right")
    table = _table("each pair, by the numbers above", *headings)
    for row in agreement(models).itertuples():
        pair = f"{models.models.index(row.first) + 1}, {models.models.index(row.second) + 1}"
        shares = (number(row.kappa, undefined="undefined"), number(row.disagreement), number(row.double_fault))
        table.add_row(pair, *shares, f"{row.only_first:,}", f"{row.only_second:,}")
    return table


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left")
    for heading in headings:
        table.add_column(heading, justify="right")
    return table
