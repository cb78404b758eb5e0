"""The tables of an error analysis: as CSV files, and as they are printed."""

from pathlib import Path

import pandas as pd
from rich.markup import escape
from rich.table import Table

from common.files import write_csv
from evaluation.error_analysis.agreement import (
    ALL,
    agreement,
    agreement_by_class,
    alone,
    each_call,
    missed,
    missed_by_class,
    missed_counts,
)
from evaluation.error_analysis.calls import AlignedPredictions


def write(folder: Path, answers: AlignedPredictions) -> None:
    """Write missed.csv, missed_counts.csv, alone.csv and agreement.csv."""
    images = missed(answers)
    images["right"] = images["right"].map("; ".join)
    counts = missed_counts(answers)
    counts.insert(0, "true_class", ALL)
    tables = {
        "missed": images.merge(each_call(answers), on="image_id"),
        "missed_counts": pd.concat([counts, missed_by_class(answers)], ignore_index=True),
        "alone": alone(answers),
        "agreement": agreement_by_class(answers),
    }
    for name, table in tables.items():
        write_csv(folder / f"{name}.csv", table, "%.6g")


def printed(answers: AlignedPredictions) -> list[Table]:
    """Return the tables for the console: k of n, each model alone, every pair."""
    return [_counts(answers), _alone(answers), _pairs(answers)]


def _counts(answers: AlignedPredictions) -> Table:
    table = Table(title=f"images missed by exactly k of {len(answers.models)} models", title_justify="left")
    if len(answers.classes) == 2:
        two = list(answers.classes)
    else:
        two = []
    for name in ("k", "images", "share (95 %)", "if independent", *(f"is {name}" for name in two)):
        table.add_column(name, justify="right")
    by_class = missed_by_class(answers).set_index(["true_class", "k"])["images"]
    for row in missed_counts(answers).itertuples():
        of_class = [f"{by_class.get((name, row.k), 0):,}" for name in two]
        share = f"{row.share:.3f} ({row.low:.3f} to {row.high:.3f})"
        table.add_row(f"{row.k}", f"{row.images:,}", share, f"{row.independent:,.1f}", *of_class)
    if pd.Series(answers.subjects).dropna().duplicated().any():
        table.caption = "exact intervals; images of one subject are not independent, so they are too narrow"
    return table


def _alone(answers: AlignedPredictions) -> Table:
    table = Table(title=f"each model, of {len(answers.labels):,} images", title_justify="left")
    table.add_column("", justify="right")
    table.add_column("model", overflow="fold")
    for name in ("right", "accuracy (95 %)", "right alone", "wrong alone"):
        table.add_column(name, justify="right", no_wrap=name.startswith("accuracy"))
    for place, row in enumerate(alone(answers).itertuples(), 1):
        accuracy = f"{row.accuracy:.3f} ({row.low:.3f} to {row.high:.3f})"
        only = ["" if pd.isna(count) else f"{count:,}" for count in (row.right_alone, row.wrong_alone)]
        if place <= len(answers.models):
            number = str(place)
        else:
            number = ""
        table.add_row(number, escape(row.model), f"{row.right:,}", accuracy, *only)
    return table


def _pairs(answers: AlignedPredictions) -> Table:
    table = Table(title="each pair, by the numbers above", title_justify="left")
    for name in ("pair", "kappa", "disagreement", "double fault", "only the first right", "only the second right"):
        table.add_column(name, justify="right")
    number = {model: place for place, model in enumerate(answers.models, 1)}
    for row in agreement(answers).itertuples():
        if pd.isna(row.kappa):
            kappa = "undefined"
        else:
            kappa = f"{row.kappa:.3f}"
        shares = (kappa, f"{row.disagreement:.3f}", f"{row.double_fault:.3f}")
        pair = f"{number[row.first]}, {number[row.second]}"
        table.add_row(pair, *shares, f"{row.only_first:,}", f"{row.only_second:,}")
    return table
