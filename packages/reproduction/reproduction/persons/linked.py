"""The persons of C-NMC in the kept predictions, whose subjects show the same cells (results/cnmc/same_cells.csv).

Runs that were trained before this was known took several subjects of one person for persons apart: their splits are
called "names", and the test images of persons who also train or validate left their predictions (revision a2378e60).
"""

import pandas as pd

from karyocyte.runs.run import Run

SPLITS = "splits"
ALL_IMAGES = "cnmc-paper-fold0.parquet"  # the split that has every image of C-NMC


def deals_persons(run: Run) -> bool:
    """Tell whether the folds of a kept run were dealt by persons, and not by the names of that time."""
    return "same_cells" in run.raw_config


def unknown_persons(split: pd.DataFrame) -> pd.DataFrame:
    """Return the test images of a split whose persons neither train nor validate."""
    known = split.loc[split["part"].isin(["train", "validation"]), "subject"]
    return split[(split["part"] == "test") & ~split["subject"].isin(set(known))]
