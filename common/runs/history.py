"""What a run logged while it was trained."""

from pathlib import Path

import pandas as pd

from common.runs.files import RunFolder


def read_history(run: Path) -> pd.DataFrame:
    """Return the learning curves of a run: a row per epoch of each stage, columns stage, epoch and the logged metrics.

    An epoch that was trained twice (interrupted, then resumed) counts once, by its later record.
    """
    tables = []
    for folder in sorted((run / RunFolder.LOGS).glob("*-*"), key=lambda path: int(path.name.split("-")[0])):
        versions = sorted(folder.glob("version_*/metrics.csv"), key=lambda path: int(path.parent.name.split("_")[1]))
        if versions:
            rows = pd.concat([pd.read_csv(path) for path in versions])
        else:
            rows = pd.DataFrame()
        if not rows.empty:
            rows = rows.groupby("epoch", as_index=False).last()
            tables.append(rows.assign(stage=folder.name.split("-", 1)[1]))
    if tables:
        return pd.concat(tables, ignore_index=True)
    return pd.DataFrame()
