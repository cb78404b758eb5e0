"""A folder of results: claims of made-up papers, what they print beside them, and what was measured."""

import pandas as pd

CLAIMS = ["experiment", "paper", "section", "dataset", "split", "metric", "claimed"]
PRINTED = ["precision", "recall", "auc", "tp", "fp", "tn", "fn", "method", "members"]
TABLES = {
    "data": ["paper", "dataset", "split", "total", "train", "test", "public"],
    "departures": ["label", "departure"],
    "sums": ["paper", "section", "what", "parts", "total"],
    "twice": ["paper", "what", "place", "figure", "other_place", "other_figure", "remark"],
    "per_class": [
        *("paper", "section", "model", "negatives", "positives"),
        *("precision_negative", "precision_positive", "recall_negative", "recall_positive", "f1_weighted"),
    ],
    "shares": ["paper", "section", "what", "figure", "images"],
    "wrong_cases": ["paper", "section", "network", "false_positives", "false_negatives", "remark"],
    "missed": [
        *("paper", "section", "models", "missed_by_one", "missed_by_all"),
        *("alone_right_least", "alone_right_most"),
    ],
}
DATA = [["009", "cells", "by image", 1000, 600, 200, "yes"]]


def write_results(folder, claims=(), **tables):
    """Write ``claims.csv`` and ``claims/``; a keyword is the rows of one of TABLES, else it is empty."""
    (folder / "claims").mkdir(parents=True, exist_ok=True)
    pd.DataFrame(claims, columns=CLAIMS + PRINTED).to_csv(folder / "claims.csv", index=False)
    for name, columns in TABLES.items():
        rows = tables.get(name, DATA if name == "data" else ())
        pd.DataFrame(rows, columns=columns).to_csv(folder / "claims" / f"{name}.csv", index=False)
    return folder


def claim(experiment="net", metric="test_accuracy", claimed="0.9", **printed):
    """Return a row of ``claims.csv``."""
    row = [experiment, "009", "1", printed.pop("dataset", "cells"), "by image", metric, claimed]
    return row + [printed.get(name, "") for name in PRINTED]


def measured(label="net, ours", experiment="net", value=0.8, low=0.7, high=0.85, **facts):
    """Return a row of a measured table: by default of the paper's own split, data and budget."""
    row = {
        "source": "cells",
        "tested_on": None,
        "synthetic": None,
        "protocol": "paper",
        "folds": "0",
        "seeds": "0",
        "images": 200,
        "subjects": 20,
    }
    row |= {"metric": "accuracy", "method": "bca", "images_seen": 6000, "wall_seconds": 60, "revision": "abc"}
    return {"label": label, "experiment": experiment, **row, "value": value, "low": low, "high": high, **facts}
