"""What a run logged while it was trained."""

from pathlib import Path

import pandas as pd

from common.runs.files import RunFolder


def read_history(run: Path) -> pd.DataFrame:
    """Return the learning curves of a run: a row per epoch of each stage, columns stage, epoch and the logged metrics.

    An epoch that was trained twice (interrupted, then resumed) counts once, by its later record.
    """
    tables = [pd.DataFrame()]
    for folder in sorted((run / RunFolder.LOGS).glob("*-*"), key=lambda path: int(path.name.split("-")[0])):
        versions = sorted(folder.glob("version_*/metrics.csv"), key=lambda path: int(path.parent.name.split("_")[1]))
        rows = pd.concat([pd.DataFrame(), *map(pd.read_csv, versions)])
        if not rows.empty:
            rows = rows.groupby("epoch", as_index=False).last()
            tables.append(rows.assign(stage=folder.name.split("-", 1)[1]))
    return pd.concat(tables, ignore_index=True)
