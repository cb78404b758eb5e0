"""A folder of results: claims of made-up papers and what they print beside them."""

import pandas as pd

from karyocyte.common.paths import ROOT

TABLES = sorted((ROOT / "results" / "claims").glob("*.csv"))
DATA = [["009", "cells", "by image", "60 20 20", 1000, 600, 200, 200, "hem all", "yes"]]


def write_table(source, path, rows):
    """Write rows in the columns of a committed table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows, columns=pd.read_csv(source, nrows=0).columns).to_csv(path, index=False)


def write_results(folder, claims=(), data=DATA):
    """Write ``claims.csv`` and ``claims/``, whose other tables are empty."""
    write_table(ROOT / "results" / "claims.csv", folder / "claims.csv", list(claims))
    for source in TABLES:
        write_table(source, folder / "claims" / source.name, data if source.stem == "data" else [])
    return folder


def claim(experiment="net", metric="accuracy", printed="0.9", **facts):
    """Return a row of ``claims.csv``: of the test part."""
    row = {"paper": "009", "section": "1", "dataset": "cells", "split": "by image", "part": "test", "headline": "yes"}
    return {**row, "experiment": experiment, "metric": metric, "printed": printed, **facts}
