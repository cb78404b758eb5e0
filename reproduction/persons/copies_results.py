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
from scipy.special import expit

from karyocyte.common.files import write_csv
from reproduction.claims import EVIDENCE, RESULTS
from reproduction.persons.results import DIGITS, RESAMPLES, Images, auc, columns, resampled

FOLDER = RESULTS / EVIDENCE / "copies"
CODINGS = ("originals", "copies")


def row_of_copies(table: pd.DataFrame, trained: str) -> dict[str, float]:
    """Return how well images are told apart as originals and as copies; pairs of images count within a fold."""
    images = Images(table)
    folds = table["fold"].to_numpy()
    row: dict[str, float] = {}
    probabilities = []
    for coding in CODINGS:
        random = np.random.default_rng(0)  # the same persons for both
        scores = table[f"{trained} on {coding}"].to_numpy(float)
        pairs = images.pairs(scores, folds)
        again = np.array([auc(resampled(pairs, random)) for _ in range(RESAMPLES)])
        row |= columns(f"auc_{coding}", float(auc(pairs)), again)
        patients, healthy = images.rows
        row |= pooled(f"sensitivity_{coding}", scores > 0, patients)
        row |= pooled(f"specificity_{coding}", scores <= 0, healthy)
        probabilities.append(expit(scores))
    change = probabilities[1] - probabilities[0]
    return row | pooled("change_all", change, images.rows[0]) | pooled("change_hem", change, images.rows[1])


def pooled(name: str, values: np.ndarray, persons: list[np.ndarray]) -> dict[str, float]:
    """Return the mean of all images of some persons, with its interval over drawn persons; of one there is none."""
    sums, images = (np.array([count(values[rows]) for rows in persons]) for count in (np.sum, len))
    drawn = np.random.default_rng(0).integers(len(persons), size=(RESAMPLES, len(persons)))
    if len(persons) == 1:
        return {name: sums[0] / images[0], f"{name}_low": np.nan, f"{name}_high": np.nan}
    return columns(name, sums.sum() / images.sum(), sums[drawn].sum(axis=1) / images[drawn].sum(axis=1))


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
