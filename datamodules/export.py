"""Synthetic images as files in the folders of a user's own, for trials of what reads such folders."""

import shutil
from pathlib import Path

from datamodules.io.whole_folder import new_whole_folder
from datamodules.manifest.manifest import DRAWN, Manifest
from karyocyte.common.errors import UserError
from karyocyte.common.files import sha256_of_value, write_csv, write_text
from karyocyte.common.karyotype import CHROMOSOMES
from karyocyte.runs.arguments import new_folder

LABELS = "labels.csv"


def export_images(manifest: Manifest, folder: Path) -> None:
    """Copy synthetic images into a new folder.

    Images of classes become ``<class>/<subject>_<number>.png``, metaphases ``<case>/<cell>.png``, and chromosomes
    ``<case>/<cell>/<number>.png`` in an order that tells no class; their cases have the name of the folder.

    Raises:
        UserError: The images are not synthetic, or the folder exists already.
    """
    if not manifest.synthetic:
        raise UserError("--export copies synthetic images alone: data=synthetic_cells or data=synthetic_chromosomes")
    new_folder(folder, "--export")
    chromosomes = manifest.classes == CHROMOSOMES
    frame = manifest.frame
    if chromosomes:
        frame = frame.assign(**frame[["subject", "cell"]].map(lambda name: folder.name + name.removeprefix("case")))
        shuffled = frame["image_id"].map(sha256_of_value)
        number = shuffled.groupby(frame["cell"]).rank().astype(int).astype(str).str.zfill(2)
        paths = frame["subject"] + "/" + frame["cell"] + "/" + number + ".png"
    elif "boxes" in frame:  # pictures of metaphases
        paths = frame["subject"] + "/" + frame["cell"] + ".png"
    else:
        number = (frame.groupby(["label", "subject"]).cumcount() + 1).astype(str).str.zfill(3)
        paths = frame["label"] + "/" + frame["subject"] + "_" + number + ".png"
    with new_whole_folder(folder, of_data=True) as beside:
        for row, path in paths.items():
            (beside / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(manifest.file(row), beside / path)
        if chromosomes:
            columns = {"path": "path", "label": "class", "cell": "cell_id", "subject": "case_id"}
            table = frame.assign(path=paths)[list(columns)].rename(columns=columns)
            write_csv(beside / LABELS, table.sort_values("path"))
        write_text(beside / DRAWN, "Synthetic images: no patients.\n")
