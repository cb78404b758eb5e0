"""Persons in the kept predictions: ``python -m reproduction.persons.linked``.

Runs that were trained before it was known which subjects of C-NMC show the same cells
(results/cnmc/same_cells.csv) took several subjects of one person for persons apart: their splits are called "names".
This command gives every kept image the person that it is of today and, of those runs, leaves out the test images of
persons who also train or validate. What remains was tested on persons that the network does not know. Run again, it
changes nothing.
"""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from datamodules.manifest.persons import linked_names
from datamodules.manifest.same_cells import SIDES, SameCells
from karyocyte.common.cli import say
from karyocyte.common.files import atomic_path
from karyocyte.runs.files import RunFile
from karyocyte.runs.predictions import Predictions
from karyocyte.runs.run import Run
from reproduction.claims import EVIDENCE, RESULTS

SPLITS = "splits"
LEFT_OUT = "left_out"  # fact of predictions: test images of persons who also train or validate
ALL_IMAGES = "cnmc-paper-fold0.parquet"  # the split that has every image of C-NMC


def persons_of_subjects(images: pd.DataFrame) -> dict[str, str]:
    """Return the person of each subject of images of C-NMC (image_id, subject) that is one of several of a person."""
    subjects = images.set_index("image_id")["subject"].astype(object)
    cells = SameCells.of_key("known", "cnmc")
    assert cells is not None
    shown = cells.table[["seen"]].assign(**{side: cells.table[f"image_{side}"].map(subjects) for side in SIDES})
    return linked_names(shown.dropna())


def of_persons(predictions: Predictions, split: pd.DataFrame | None, persons: dict[str, str]) -> Predictions:
    """Return predictions with persons as subjects and, of a split with persons apart, without those of known ones.

    ``split`` has the subject and the part of each image, by the persons' names; None: of another protocol.
    """
    frame = predictions.frame.assign(subject=predictions.frame["subject"].replace(persons))
    about = dict(predictions.about)
    if split is not None:
        out = (frame["part"] == "test") & ~frame["image_id"].isin(unknown_persons(split)["image_id"])
        about[LEFT_OUT] = int(about.get(LEFT_OUT, 0)) + int(out.sum())
        frame = frame[~out].reset_index(drop=True)
    return replace(predictions, frame=frame, about=about)


def tests_of(images: pd.DataFrame) -> set[str]:
    """Return the ids of the images that test."""
    return set(images.loc[images["part"] == "test", "image_id"])


def unknown_persons(split: pd.DataFrame) -> pd.DataFrame:
    """Return the test images of a split whose persons neither train nor validate."""
    known = split.loc[split["part"].isin(["train", "validation"]), "subject"]
    return split[(split["part"] == "test") & ~split["subject"].isin(set(known))]


def link_evidence(evidence: Path = RESULTS / EVIDENCE) -> None:
    """Bring the kept splits and predictions of C-NMC to the persons that are known today."""
    persons = persons_of_subjects(pd.read_parquet(evidence / SPLITS / ALL_IMAGES))
    splits = {}
    for path in sorted((evidence / SPLITS).glob("*.parquet")):
        split = pd.read_parquet(path)
        split["subject"] = split["subject"].astype(object).replace(persons).astype("category")
        splits[path.stem] = split
        with atomic_path(path) as temporary:
            split.to_parquet(temporary, index=False, compression="zstd")
    for run in Run.find(evidence):
        about = run.predictions.about
        if about["source"] not in ("cnmc", "hem_all"):
            continue
        by_names = (
            splits.get(f"{about['source']}-names-fold{about['fold']}") if about["protocol"] == "subject" else None
        )
        if by_names is not None and not tests_of(run.predictions.frame) <= tests_of(by_names):
            by_names = None  # its split was dealt by persons
        run.write_predictions(of_persons(run.predictions, by_names, persons))
        if run.predictions_train is not None:
            run.write_predictions(of_persons(run.predictions_train, None, persons), RunFile.PREDICTIONS_TRAIN)
    say(f"{len(persons)} subjects are persons of another name")


if __name__ == "__main__":
    link_evidence()
