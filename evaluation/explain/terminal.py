"""Smoothness and accuracy for the terminal, as CSV tables and as a picture."""

from pathlib import Path

import pandas as pd
from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from common.files import write_csv
from evaluation.explain.plots import smoothness_scatter
from evaluation.explain.smoothness import FEWEST

DIGITS = "%.6f"  # as the other tables of results


def smoothness_table(table: pd.DataFrame) -> Table:
    """Draw for the terminal a row per run, with the smoothness of its layers (own grid) and its test accuracy.

    Args:
        table: A row per run and layer: experiment, data_set, fold, seed, position, smoothness, accuracy, run.
    """
    places = list(dict.fromkeys(table["position"]))
    result = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    result.add_column("run (fold, seed)", no_wrap=True)
    result.add_column("data set", no_wrap=True)
    for name in (*places, "acc."):
        result.add_column(name, justify="right")
    for _, rows in table.groupby("run", sort=False):
        first = rows.iloc[0]
        values = rows.set_index("position")["smoothness"]
        if pd.isna(first["fold"]):
            fold = "-"
        else:
            fold = f"{first['fold']:g}"
        cells = [f"{first['experiment']} ({fold}, {first['seed']})", first["data_set"]]
        numbers = [_number(values.get(place)) for place in places]
        result.add_row(*map(Text, cells), *numbers, f"{first['accuracy']:.3f}")
    return result


def correlation_table(found: pd.DataFrame, confidence: float) -> Group:
    """Draw for the terminal what :func:`evaluation.explain.smoothness.correlations` found, and how it is to be read."""
    result = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    result.add_column("layer", no_wrap=True)
    result.add_column("grid", no_wrap=True)
    for name in ("spearman", "pearson"):
        result.add_column(name.capitalize(), justify="right", style="bold", no_wrap=True)
        result.add_column(f"{100 * confidence:g} %", justify="center", no_wrap=True)
    result.add_column("runs", justify="right")
    for (place, grid), rows in found.groupby(["position", "grid"], sort=False):
        by_name = rows.set_index("coefficient")
        cells = [cell for name in ("spearman", "pearson") for cell in _with_ends(by_name.loc[name])]
        result.add_row(Text(str(place)), grid, *cells, str(rows["runs"].iloc[0]))
    if len(found):
        runs = int(found["runs"].max())
    else:
        runs = 0
    notes = [
        "correlation of smoothness and test accuracy, both standardised within each data set",
        "paper 002 (3.3): smooth layers go with low accuracy; only an interval that lies below 0 supports it",
        "own grid: finer maps are smoother; common grid: averaged down to the smallest map at that place",
    ]
    caution = f"! {runs} runs count: the intervals are wide, and many are looked at"
    few = f"! {runs} runs count: too few for an interval ({FEWEST} at least, three or more on each data set)"
    last = Text(few if runs < FEWEST else caution, style="yellow")
    return Group(Text("Does smoothness go with low accuracy?", style="bold"), result, *map(Text, notes), last)


def write_smoothness(path: Path, table: pd.DataFrame, found: pd.DataFrame) -> list[Path]:
    """Write the table, the correlations and the picture; each replaces what was there, whole or not at all.

    Args:
        path: CSV of the table; the others lie beside it, as ``<name>_correlation.csv`` and ``<name>.png``.
        table: A row per run and layer.
        found: What :func:`evaluation.explain.smoothness.correlations` returns.

    Returns:
        The three paths.
    """
    places = [path, path.with_name(f"{path.stem}_correlation.csv"), path.with_suffix(".png")]
    for place, rows in zip(places, (table, found), strict=False):
        write_csv(place, rows, DIGITS)
    title = f"smoothness of layers and test accuracy · {table['run'].nunique()} runs"
    smoothness_scatter(places[2], table, found, {"name": title})
    return places


def _with_ends(row: pd.Series) -> tuple[str, str]:
    low = _number(row["low"])
    high = _number(row["high"])
    return _number(row["value"]), "-" if low == "-" else f"{low} to {high}"


def _number(value: float | None) -> str:
    if value is None or pd.isna(value):
        return "-"
    return f"{value:.2f}"
