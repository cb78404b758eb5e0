"""The table of README.md: our main results beside the best published figures."""

from pathlib import Path

import pandas as pd

from common.errors import UserError
from evaluation.core.markdown import interval, markdown


def headline(results: Path) -> str:
    """Return the main results; published.csv names their rows and the published figures."""
    rows = []
    for row in pd.read_csv(results / "published.csv", dtype={"published": str}).itertuples():
        measured = pd.read_csv(results / f"{row.file}.csv")
        match = measured[(measured["label"] == row.label) & (measured["metric"] == row.metric)]
        if len(match) != 1:
            raise UserError(f"{row.file}.csv has {len(match)} rows {row.label!r}, {row.metric}: one is needed")
        ours = match.iloc[0]
        published = "-"
        if isinstance(row.published, str):
            published = f"{row.published} ({row.source})"
        rows.append(
            {
                "task": row.task,
                "data": row.data,
                "metric": row.shown,
                "ours": interval(ours["value"], ours["low"], ours["high"]),
                "published": published,
            }
        )
    return markdown(pd.DataFrame(rows))
