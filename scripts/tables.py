"""The tables of README.md, each a function of the folder of measured results."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

MAIN_METRICS = ("f1_weighted", "auc", "accuracy")


def claims(results: Path) -> str:
    """Experiments of paper 004 with the figure that the paper claims."""
    table = pd.read_csv(results / "claims.csv", dtype=str).fillna({"claimed": "none printed", "note": ""})
    table["experiment"] = "`" + table["experiment"] + "`"
    return _markdown(table[["experiment", "section", "metric", "claimed", "note"]])


def measured(name: str) -> Callable[[Path], str]:
    """Return the table of one results file: a row per label, the main metrics with their intervals."""

    def table(results: Path) -> str:
        rows = pd.read_csv(results / f"{name}.csv", dtype={"label": str})
        rows = rows[rows["metric"].isin(MAIN_METRICS)]
        rows["shown"] = [_interval(row) for row in rows.itertuples()]
        wide = rows.pivot_table(index=["label", "protocol", "images", "subjects"], columns="metric", values="shown",
                                aggfunc="first", sort=False, dropna=False).dropna(how="all")  # fmt: skip
        wide = wide.reset_index()
        wide["subjects"] = [("unknown" if pd.isna(value) else f"{int(value)}") for value in wide["subjects"]]
        return _markdown(wide[["label", "protocol", "images", "subjects", *MAIN_METRICS]])

    return table


def differences(name: str) -> Callable[[Path], str]:
    """Return the table of the paired differences of one results file."""

    def table(results: Path) -> str:
        rows = pd.read_csv(results / f"{name}.csv", dtype={"label": str})
        rows = rows[rows["metric"].str.startswith("difference/") | (rows["metric"] == "mcnemar_p")]
        rows["metric"] = rows["metric"].str.removeprefix("difference/")
        rows["shown"] = [_interval(row) for row in rows.itertuples()]
        wide = rows.pivot_table(
            index=["label", "images"], columns="metric", values="shown", aggfunc="first", sort=False
        )
        return _markdown(wide.reset_index()[["label", "images", *MAIN_METRICS, "mcnemar_p"]])

    return table


def overhead(results: Path) -> str:
    """The cost of the shell around the training."""
    table = pd.read_csv(results / "overhead.csv")
    columns = {"case": "case", "bare_ms": "bare step, ms", "ours_ms": "train.py's step, ms", "ratio": "bare / ours"}
    return _markdown(table[list(columns)].rename(columns=columns).round(3))


def _interval(row: object) -> str:
    ends = "" if pd.isna(row.low) else f" ({row.low:.3f} to {row.high:.3f})"
    return "undefined" if pd.isna(row.value) else f"{row.value:.3f}{ends}"


def _markdown(table: pd.DataFrame) -> str:
    return table.to_markdown(index=False, disable_numparse=True)


TABLES: dict[str, Callable[[Path], str]] = {
    "claims": claims,
    "cnmc_sample": measured("cnmc_sample"),
    "cnmc_sample_differences": differences("cnmc_sample"),
    "all_idb2": measured("all_idb2"),
    "all_idb2_differences": differences("all_idb2"),
    "pbc_blood_cells": measured("pbc_blood_cells"),
    "pbc_blood_cells_differences": differences("pbc_blood_cells"),
    "demo": measured("demo"),
    "overhead": overhead,
}
