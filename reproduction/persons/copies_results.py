"""Recompute original files against copies from the kept scores: ``python -m reproduction.persons.copies_results``.

``results/evidence/copies`` holds the score of each image as original file and as copy that was compressed again (AVIF,
45 dB), by regressions on other persons that trained on originals, on copies or on both: column ``<trained> on
<tested>``, of the first division into four folds. ``network`` was trained on copies. Revision 698a9ffa computed them
(``reproduction.persons.copies``).

Written is ``recomputed/persons_copies.csv``: for each model, and what trained it, the AUC, the specificity and the
sensitivity at a probability of 0.5 on original files and on copies of the same cells, and the mean change of the
probability. Intervals are over drawn persons.
"""

import numpy as np
import pandas as pd
from numpy.random import default_rng
from scipy.special import expit

from karyocyte.common.files import write_csv
from reproduction.claims import EVIDENCE, RESULTS
from reproduction.persons.results import DIGITS, RESAMPLES, Images, auc, columns, pooled, resampled

FOLDER = RESULTS / EVIDENCE / "copies"
CODINGS = ("originals", "copies")


def row_of_copies(table: pd.DataFrame, trained: str) -> dict[str, float]:
    """Return how well images are told apart as originals and as copies; pairs of images count within a fold."""
    images = Images(table)
    folds = table["fold"].to_numpy()
    row: dict[str, float] = {}
    probabilities = []
    for coding in CODINGS:
        random = default_rng(0)  # the same persons for both
        scores = table[f"{trained} on {coding}"].to_numpy(float)
        pairs = images.pairs(scores, folds)
        again = np.array([auc(resampled(pairs, random)) for _ in range(RESAMPLES)])
        row |= columns(f"auc_{coding}", float(auc(pairs)), again)
        patients, healthy = images.rows
        row |= pooled(f"sensitivity_{coding}", scores > 0, patients, default_rng(0))
        row |= pooled(f"specificity_{coding}", scores <= 0, healthy, default_rng(0))
        probabilities.append(expit(scores))
    change = probabilities[1] - probabilities[0]
    for name, persons in zip(("change_all", "change_hem"), images.rows, strict=True):
        row |= pooled(name, change, persons, default_rng(0))
    return row


def write_all() -> None:
    """Write the table from the kept scores."""
    rows = []
    for path in sorted(FOLDER.glob("*.parquet")):
        table = pd.read_parquet(path)
        for trained in dict.fromkeys(name.split(" on ")[0] for name in table.columns if " on " in name):
            facts = {"model": path.stem, "trained": trained, "persons": table["subject"].nunique()}
            rows.append(facts | {"images": len(table)} | row_of_copies(table, trained))
    write_csv(RESULTS / "recomputed" / "persons_copies.csv", pd.DataFrame(rows), DIGITS)


if __name__ == "__main__":
    write_all()
