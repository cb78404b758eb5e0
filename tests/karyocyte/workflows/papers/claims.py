"""A folder of results: claims of made-up papers, what they print beside them, and what was measured."""

import pandas as pd

from karyocyte.common.paths import ROOT

TABLES = sorted((ROOT / "results" / "claims").glob("*.csv"))
DATA = [["009", "cells", "by image", "60 20 20", 1000, 600, 200, 200, "hem all", "yes"]]


def write_table(source, path, rows):
    """Write rows in the columns of a committed table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows, columns=pd.read_csv(source, nrows=0).columns).to_csv(path, index=False)


def write_results(folder, claims=(), **tables):
    """Write ``claims.csv`` and ``claims/``; a keyword is the rows of one of its tables, else it is empty."""
    write_table(ROOT / "results" / "claims.csv", folder / "claims.csv", list(claims))
    for source in TABLES:
        rows = tables.get(source.stem, DATA if source.stem == "data" else [])
        write_table(source, folder / "claims" / source.name, rows)
    return folder


def claim(experiment="net", metric="test_accuracy", claimed="0.9", **printed):
    """Return a row of ``claims.csv``."""
    facts = {"paper": "009", "section": "1", "dataset": "cells", "split": "by image"}
    return {"experiment": experiment, "metric": metric, "claimed": claimed, **facts, **printed}


def measured(label="net, ours", experiment="net", value=0.8, low=0.7, high=0.85, **facts):
    """Return a row of a measured table: by default of the paper's own split, data and budget."""
    row = {"label": label, "experiment": experiment, "metric": "accuracy", "value": value, "low": low, "high": high}
    row |= {"method": "bca", "source": "cells", "tested_on": None, "synthetic": None, "protocol": "paper"}
    row |= {"folds": "0", "seeds": "0", "images": 200, "subjects": 20}
    row |= {"mean_over_folds": None, "mean_low": None, "mean_high": None}
    return {**row, "images_seen": 6000, "wall_seconds": 60, "revision": "abc", "departures": None, **facts}
