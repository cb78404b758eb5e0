"""What tables of results hold: those of evaluate.py --csv and of collect.py."""

from pathlib import Path

import pandas as pd

from common.errors import UserError
from common.predictions import VALIDATION
from evaluation.departures import NOT_KNOWN
from evaluation.result import Estimate
from evaluation.results_csv import ADDED, COLUMNS, SEPARATOR
from workflows.papers.claims import TEST
from workflows.papers.measured import LOSS, Measured

TEXT = ("label", "experiment", "source", "tested_on", "synthetic", "folds", "seeds", "departures", "revision")
# Columns of a table in which each metric is a row, and of one in which a metric and its interval are columns.
EVALUATED = set(COLUMNS) - ADDED - {"mean_over_folds", "mean_low", "mean_high"}
COLLECTED = {"label", "experiment", "source", "protocol", "images", "subjects", "images_seen", "wall_seconds"}


def measure_results(results: Path) -> list[Measured]:
    """Read all tables of measured results in a folder, but those of drawn images."""
    tables = [path for path in sorted(Path(results).glob("*.csv")) if is_results_table(path)]
    if not tables:
        raise UserError(f"no measured results in {results}: python scripts/evaluate.py RUN... --csv writes them")
    return [measured for path in tables for measured in read_measurements(path)]


def is_results_table(path: Path) -> bool:
    """Tell whether a CSV table is one of evaluate.py --csv or of collect.py."""
    try:
        columns = set(pd.read_csv(path, nrows=0).columns)
    except (OSError, ValueError):
        return False
    return columns >= EVALUATED or columns >= COLLECTED | {"accuracy"}


def read_measured(path: Path) -> pd.DataFrame:
    """Read a table of evaluate.py --csv, without single folds whose label also has a row of several folds pooled.

    New columns: ``runs``, the number of folds (at least 1); ``images_seen`` and ``minutes`` per run; ``compared``,
    whether the label names a comparison of two groups.
    """
    rows = _read(path).reindex(columns=list(COLUMNS))
    rows = rows.fillna(dict.fromkeys(TEXT, ""))
    rows["runs"] = rows["folds"].str.split().str.len().clip(lower=1)
    rows = rows[rows["runs"] == rows.groupby("label")["runs"].transform("max")]
    compared = rows.loc[rows["metric"].str.startswith("difference/"), "label"]
    return rows.assign(
        compared=rows["label"].isin(compared),
        images_seen=rows["images_seen"] / rows["runs"],
        minutes=rows["wall_seconds"] / rows["runs"] / 60,
    )


def read_measurements(path: Path) -> list[Measured]:
    """Read a table of results: measurements on real images of the run's own data set, no comparisons of two groups."""
    if "metric" in pd.read_csv(path, nrows=0).columns:
        rows = read_measured(path)
        external = rows.loc[~rows["tested_on"].isin(["", VALIDATION]), "label"]
        rows = rows[~rows["compared"] & ~rows["label"].isin(external)]
    else:
        rows = _read_collected(path)
    rows = rows[(rows["synthetic"] == "") & ~rows["source"].str.contains("synthetic")]
    rows = rows.assign(data=rows["source"].where(~rows["source"].isin(["folder", "table"]), path.stem))
    shared = ["label", "experiment", "data", "protocol", "folds", "seeds"]
    return [_of_rows(of_label) for _, of_label in rows.groupby(shared, sort=False, dropna=False)]


def _read(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path, dtype=dict.fromkeys((*TEXT, "fold", "seed"), str))
    return table if "departures" in table else table.assign(departures=NOT_KNOWN)


def _read_collected(path: Path) -> pd.DataFrame:
    """Read a table of collect.py as one of evaluate.py --csv: a row per metric."""
    table = _read(path).rename(columns={"fold": "folds", "seed": "seeds"})
    table = table.reindex(columns=[*TEXT, *table.columns.difference(TEXT, sort=False)])
    table = table.fillna(dict.fromkeys(TEXT, ""))
    runs = table.get("runs", 1)
    table = table.assign(images_seen=table["images_seen"] / runs, minutes=table["wall_seconds"] / runs / 60)
    metrics = [name.removesuffix("_low") for name in table.columns if name.endswith("_low")]
    tables = []
    for name in metrics:
        ends = {"low": table[f"{name}_low"], "high": table[f"{name}_high"]}
        for end in ends:
            with_seeds = f"{name}_{end}_with_seeds"
            if with_seeds in table:
                ends[end] = table[with_seeds].fillna(ends[end])
        tables.append(table.assign(metric=name, value=table[name], **ends))
    return pd.concat(tables, ignore_index=True).dropna(subset="value")


def _of_rows(rows: pd.DataFrame) -> Measured:
    """Turn the rows of a label into a measurement."""
    first = rows.iloc[0]
    parts = rows["tested_on"].replace("", TEST)
    values = {}
    images = {}
    folds = max(len(first["folds"].split()), 1)
    for part, row in zip(parts, rows.to_dict("records"), strict=True):
        metric = {"nll": LOSS}.get(row["metric"], row["metric"])
        values[part, metric] = Estimate(_number(row["value"]), _number(row["low"]), _number(row["high"]))
        images[part] = row["images"] / folds
    return Measured(
        label=first["label"],
        experiment=first["experiment"],
        data=first["data"],
        protocol=str(first["protocol"]),
        folds=first["folds"],
        seeds=first["seeds"],
        subjects=None if pd.isna(first["subjects"]) else int(first["subjects"]),
        images=images,
        values=values,
        images_seen=_number(first["images_seen"]),
        minutes=_number(first["minutes"]),
        revision=first["revision"],
        departures=tuple(filter(None, first["departures"].split(SEPARATOR))),
    )


def _number(value: float) -> float | None:
    return None if pd.isna(value) else value
