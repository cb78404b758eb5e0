"""The persons of C-NMC in the kept predictions, whose subjects show the same cells (results/cnmc/same_cells.csv).

Runs that were trained before this was known took several subjects of one person for persons apart: their splits are
called "names", and the test images of persons who also train or validate left their predictions (revision a2378e60).
"""

import pandas as pd

from datamodules.manifest.persons import linked_names
from datamodules.manifest.same_cells import SIDES, SameCells
from karyocyte.runs.run import Run

SPLITS = "splits"
ALL_IMAGES = "cnmc-paper-fold0.parquet"  # the split that has every image of C-NMC


def deals_persons(run: Run) -> bool:
    """Tell whether the folds of a kept run were dealt by persons, and not by the names of that time."""
    return "same_cells" in run.raw_config


def persons_of_subjects(images: pd.DataFrame) -> dict[str, str]:
    """Return the person of each subject of images of C-NMC (image_id, subject) that is one of several of a person."""
    subjects = images.set_index("image_id")["subject"].astype(object)
    cells = SameCells.of_key("known", "cnmc")
    assert cells is not None
    shown = cells.same[["seen"]].assign(**{side: cells.same[f"image_{side}"].map(subjects) for side in SIDES})
    return linked_names(shown.dropna())


def unknown_persons(split: pd.DataFrame) -> pd.DataFrame:
    """Return the test images of a split whose persons neither train nor validate."""
    known = split.loc[split["part"].isin(["train", "validation"]), "subject"]
    return split[(split["part"] == "test") & ~split["subject"].isin(set(known))]
