"""Measured results of this repository: the tables in results/ that ``evaluate.py --csv`` wrote."""

from pathlib import Path

import pandas as pd

from common.errors import UserError
from evaluation.results_csv import COLUMNS

NEEDED = {"label", "experiment", "source", "protocol", "folds", "seeds", "images", "subjects", "metric", "value", "low"}
TEXT = ("label", "experiment", "source", "tested_on", "synthetic", "folds", "seeds")


def read_measured(path: Path) -> pd.DataFrame:
    """Read one table.

    Returns:
        Its columns; ``runs``, the number of folds (at least 1); ``images_seen`` and ``minutes`` per run; ``compared``,
        whether the label names a comparison of two groups. Rows of single folds whose label also has a row of several
        folds pooled are left out.

    Raises:
        UserError: A label has two measurements of the same metric.
    """
    rows = pd.read_csv(path, dtype=dict.fromkeys(TEXT, str)).reindex(columns=list(COLUMNS))
    rows = rows.fillna(dict.fromkeys(TEXT, ""))
    rows["runs"] = rows["folds"].str.split().str.len().clip(lower=1)
    rows = rows[rows["runs"] == rows.groupby("label")["runs"].transform("max")]
    compared = rows.loc[rows["metric"].str.startswith("difference/"), "label"]
    return rows.assign(
        compared=rows["label"].isin(compared),
        images_seen=rows["images_seen"] / rows["runs"],
        minutes=rows["wall_seconds"] / rows["runs"] / 60,
    )


def read_all_measured(results: Path) -> pd.DataFrame:
    """Gather the measurements of every table of ``results`` on real images of the run's own data set.

    Returns:
        The columns of ``read_measured`` and ``data``: the data set, or the table's name where
        the source is a mere folder or table of images. Comparisons of two groups are left out.

    Raises:
        UserError: There is no such table.
    """
    tables = []
    for path in sorted(Path(results).glob("*.csv")):
        if NEEDED.issubset(pd.read_csv(path, nrows=0).columns):
            rows = read_measured(path)
            external = rows.loc[rows["tested_on"] != "", "label"]
            rows = rows[~rows["compared"] & ~rows["label"].isin(external)]
            data = rows["source"].where(~rows["source"].isin(["folder", "table"]), path.stem)
            tables.append(rows.assign(data=data))
    if not tables:
        raise UserError(f"no measured results in {results}: python scripts/evaluate.py RUN... --csv writes them")
    found = pd.concat(tables, ignore_index=True)
    return found[found["synthetic"] == ""]
