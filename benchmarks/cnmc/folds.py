"""What the published folds of C-NMC 2019 share: the same files and persons, before and after subjects are linked.

``python -m benchmarks.cnmc.folds results/cnmc data_dir=<C-NMC folder>`` writes ``folds.csv``, a row per fold, and
``identical_files.csv``, a row per file that is there more than once.
"""

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from benchmarks.shared import show
from datamodules.manifest.manifest import Manifest
from datamodules.manifest.persons import link_subjects, parts_by_person, surplus_copies
from datamodules.sources import scan
from datamodules.sources.cnmc import CLASSES
from karyocyte.common.cli import report_user_errors
from karyocyte.common.files import write_csv
from karyocyte.composition.compose import check_config, compose_overrides

KEY = "sha256"


def count_folds(frame: pd.DataFrame, state: str) -> pd.DataFrame:
    """Return a row per fold: its images, persons and classes, and what of it is in another fold, too."""
    person_folds = frame.groupby("subject")["part"].transform("nunique")
    file_folds = frame.groupby(KEY)["part"].transform("nunique")
    rows = []
    for fold, images in frame.groupby("part"):
        row = {"folds": state, "fold": fold, "images": len(images), "persons": images["subject"].nunique()}
        row |= {label.upper(): int((images["label"] == label).sum()) for label in CLASSES}
        row["images of persons of other folds"] = int((person_folds[images.index] > 1).sum())
        row["images also in other folds"] = int((file_folds[images.index] > 1).sum())
        rows.append(row)
    return pd.DataFrame(rows)


def identical_files(manifest: Manifest) -> pd.DataFrame:
    """Return a row per file that is there more than once: its copies by fold, subject and name."""
    frame = manifest.frame[manifest.frame[KEY].duplicated(keep=False)]
    places = frame["part"] + "/" + frame["image_id"]
    copies = places.groupby(frame[KEY], sort=False).agg(" = ".join)
    subjects = frame.groupby(KEY, sort=False)["subject"].unique().map(" ".join)
    return pd.DataFrame({"subjects": subjects, "copies": copies}).sort_values(["subjects", "copies"])


def run(
    folder: Annotated[Path, typer.Argument(help="Where the two tables are written.")],
    overrides: Annotated[list[str], typer.Argument(help="data_dir=<C-NMC folder> and other keys of train.py.")],
) -> None:
    """Count what the published folds of C-NMC share."""
    config = check_config(compose_overrides(["data=cnmc", *overrides]))
    published = scan(config.data, config.data_dir, Path(config.cache_dir))
    linked = link_subjects(published)
    one_fold_each = linked.frame.assign(part=parts_by_person(linked)).drop(surplus_copies(linked).index)
    table = pd.concat([count_folds(linked.frame, "as published"), count_folds(one_fold_each, "persons apart")])
    show(table, "folds of C-NMC", table.columns)
    write_csv(folder / "folds.csv", table)
    write_csv(folder / "identical_files.csv", identical_files(published))


if __name__ == "__main__":
    typer.run(report_user_errors()(run))
