"""Smoothness and accuracy for the terminal, as CSV tables and as a plot."""

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
    """Return for the terminal a row per run, with the smoothness of its layers (own grid) and its test accuracy.

    Args:
        table: A row per run and layer: experiment, data_set, fold, seed, position, smoothness, accuracy, run.
    """
    positions = list(dict.fromkeys(table["position"]))
    result = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    result.add_column("run (fold, seed)", no_wrap=True)
    result.add_column("data set", no_wrap=True)
    for name in (*positions, "acc."):
        result.add_column(name, justify="right")
    for _, rows in table.groupby("run", sort=False):
        first = rows.iloc[0]
        values = rows.set_index("position")["smoothness"]
        fold = "-" if pd.isna(first["fold"]) else f"{first['fold']:g}"
        run = Text(f"{first['experiment']} ({fold}, {first['seed']})")
        numbers = [_number(values.get(position)) for position in positions]
        result.add_row(run, Text(first["data_set"]), *numbers, f"{first['accuracy']:.3f}")
    return result


def correlation_table(coefficients: pd.DataFrame, confidence: float) -> Group:
    """Return for the terminal the :func:`evaluation.explain.smoothness.correlations`, and how to read them."""
    result = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    result.add_column("layer", no_wrap=True)
    result.add_column("grid", no_wrap=True)
    for name in ("spearman", "pearson"):
        result.add_column(name.capitalize(), justify="right", style="bold", no_wrap=True)
        result.add_column(f"{100 * confidence:g} %", justify="center", no_wrap=True)
    result.add_column("runs", justify="right")
    for (position, grid), rows in coefficients.groupby(["position", "grid"], sort=False):
        cells = []
        for name in ("spearman", "pearson"):
            row = rows.set_index("coefficient").loc[name]
            cells.append(_number(row["value"]))
            cells.append("-" if pd.isna(row["low"]) else f"{_number(row['low'])} to {_number(row['high'])}")
        result.add_row(Text(str(position)), grid, *cells, str(rows["runs"].iloc[0]))
    runs = int(coefficients["runs"].max()) if len(coefficients) else 0
    caution = f"! {runs} runs count: the intervals are wide, and there are many of them"
    if runs < FEWEST:
        caution = f"! {runs} runs count: too few for an interval ({FEWEST} at least, three or more on each data set)"
    notes = [
        "correlation of smoothness and test accuracy, both standardised within each data set",
        "paper 002 (3.3): smooth layers go with low accuracy; only an interval below 0 supports it",
        "own grid: finer maps are smoother; common grid: averaged down to the smallest map at that position",
    ]
    title = Text("Does smoothness go with low accuracy?", style="bold")
    return Group(title, result, *map(Text, notes), Text(caution, style="yellow"))


def write_smoothness(path: Path, table: pd.DataFrame, coefficients: pd.DataFrame) -> list[Path]:
    """Write the table, the correlations and the plot; each replaces its predecessor, whole or not at all.

    Args:
        path: CSV of the table; the others are beside it, as ``<name>_correlation.csv`` and ``<name>.png``.
        table: A row per run and layer.
        coefficients: See :func:`evaluation.explain.smoothness.correlations`.

    Returns:
        The three paths.
    """
    correlation = path.with_name(f"{path.stem}_correlation.csv")
    plot = path.with_suffix(".png")
    write_csv(path, table, DIGITS)
    write_csv(correlation, coefficients, DIGITS)
    title = f"smoothness of layers and test accuracy · {table['run'].nunique()} runs"
    smoothness_scatter(plot, table, coefficients, {"name": title})
    return [path, correlation, plot]


def _number(value: float | None) -> str:
    return "-" if pd.isna(value) else f"{value:.2f}"
