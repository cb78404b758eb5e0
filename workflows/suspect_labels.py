"""The cells of finished runs whose labels look wrong: a table, and a picture of each."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from common.config.karyotype import KaryotypePriors
from common.files import safe_stems, write_csv
from common.runs.run import Run
from datamodules.inference.run_images import RunImages
from datamodules.io.whole_folder import new_whole_folder
from datamodules.synthesis.assigned_karyogram import draw_namings
from datamodules.synthesis.metaphase import read_metaphase
from evaluation.cytogenetics.suspect_labels import SuspectCell, find_suspects, suspect_table

TABLE = "suspect_labels.csv"


def write_suspects(folder: Path, runs: Sequence[Run], data_dir: str | None = None) -> pd.DataFrame:
    """Write ``suspect_labels.csv`` and a picture per suspect cell into a new folder; return the table.

    Args:
        folder: Written beside and renamed.
        runs: One run, or the folds of one experiment.
        data_dir: Where the images are now, if not where they were.

    Raises:
        UserError: See ``find_suspects``; or the images are missing, or not those of the runs.
    """
    suspects = find_suspects([run.predictions for run in runs], KaryotypePriors())
    table = suspect_table(suspects)
    with new_whole_folder(folder) as beside:
        write_csv(beside / TABLE, table, "%.6f")
        if suspects:
            config = runs[0].config
            images = RunImages(config if data_dir is None else config.model_copy(update={"data_dir": data_dir}))
            stems = safe_stems(suspect.name for suspect in suspects)
            for stem, suspect in zip(stems, suspects, strict=True):
                picture = draw_suspect(suspect, images, runs[suspect.run].folder)
                Image.fromarray(picture).save(beside / f"{stem}.png")
    return table


def draw_suspect(suspect: SuspectCell, images: RunImages, run: Path) -> np.ndarray:
    """Draw the chromosomes of the classes in question twice, by their labels and as predicted: uint8 RGB."""
    affected = suspect.affected.set_index("image_id")
    rows = images.rows(run, pd.Series(affected.index))
    cell = read_metaphase(images.manifest, rows.tolist())
    drawn = affected.loc[[chromosome.image_id for chromosome in cell.chromosomes]]
    namings = {
        f"{suspect.name}: as labelled (predicted above the outlines)": drawn["label"].tolist(),
        f"{suspect.name}: as predicted (labels above the outlines)": drawn["predicted"].tolist(),
    }
    return draw_namings(cell, namings)
