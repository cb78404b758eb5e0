"""The boxes of approved metaphases, as a set that a detector trains on: ``data=metaphases``."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from common.arguments import new_folder
from common.cli import say
from common.errors import UserError
from common.karyotype import CHROMOSOMES
from common.text import counted
from datamodules.io.decode import read_image
from datamodules.io.whole_folder import new_whole_folder
from datamodules.metaphases.annotations import UNKNOWN_NAME, write_coco
from datamodules.preprocessing.background import to_gray
from datamodules.synthesis.metaphase_picture import MetaphasePicture, PlacedChromosome
from workflows.cell_bundle import METAPHASES, NO_CHROMOSOME
from workflows.review.review import approved_classes
from workflows.review.reviewed import Reviewed

FILE = "boxes.json"


def export_boxes(reviewed: Reviewed, path: Path, folder: Path) -> None:
    """Write the approved pictures of metaphases and their boxes, as COCO, to a new folder.

    A chromosome without a class, such as a marker, or on whose class readers differ is a box of unknown class. Pictures
    on whose chromosomes readers differ are left out, and counted.

    Raises:
        UserError: The folder exists already, or no cell of a metaphase is approved.
    """
    new_folder(folder, "--export-boxes")
    approved = approved_classes(reviewed, path)
    approved = approved[approved["source"].map(lambda source: source.box is not None)]
    pictures = {}
    for stem, files in approved.groupby("stem"):
        of_cell = files[files["class"] != NO_CHROMOSOME]
        if len(of_cell) and of_cell["name"].value_counts().eq(files["reader"].nunique()).all():
            image = to_gray(read_image(reviewed.output / METAPHASES / f"{stem}.png"))
            pictures[f"{stem}.png"] = MetaphasePicture(image, _placed(of_cell))
    if not pictures:
        raise UserError("no cell of a metaphase is approved: there are no boxes to write")
    with new_whole_folder(folder) as beside:
        for name in pictures:
            shutil.copyfile(reviewed.output / METAPHASES / name, beside / name)
        write_coco(beside / FILE, pictures)
    boxes = sum(len(picture.chromosomes) for picture in pictures.values())
    differ = approved["stem"].nunique() - len(pictures)
    left_out = f"left out: {counted(differ, 'picture')} on whose boxes readers differ"
    say(str(folder), f"{boxes:,} boxes of {counted(len(pictures), 'picture')}", left_out)


def _placed(of_cell: pd.DataFrame) -> tuple[PlacedChromosome, ...]:
    """Return the chromosomes of a picture, without masks."""
    placed = []
    for _, rows in of_cell.groupby("name", sort=False):
        kind = rows["class"].iloc[0]
        if rows["class"].nunique() > 1 or kind not in CHROMOSOMES:
            kind = UNKNOWN_NAME
        box = np.array(rows["source"].iloc[0].box, np.float32)
        placed.append(PlacedChromosome(kind, box, (0, 0), np.zeros((0, 0), bool), None))
    return tuple(placed)
