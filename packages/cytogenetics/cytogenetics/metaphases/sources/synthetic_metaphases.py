"""Synthetic metaphases, for trying things out without data: pictures composed of the synthetic chromosomes of a cell.

Figures measured on them say that the code works, and nothing of real cells.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from cytogenetics.config.sources import DrawnCellsConfig, MetaphasesConfig, SyntheticMetaphasesConfig
from cytogenetics.karyotypes.naming import name_karyotype
from cytogenetics.metaphases.sources.metaphase_boxes import write_voc
from cytogenetics.metaphases.sources.metaphases import LISTS, list_metaphases
from cytogenetics.synthesis.metaphase import GROUND, to_chromosome
from cytogenetics.synthesis.metaphase_picture import MetaphasePicture, compose_metaphase
from cytogenetics.synthesis.synthetic_chromosomes import NOTE, cell_name, draw_picture, labels_of
from datamodules.io.decode import encode_png
from datamodules.io.progress import threaded
from datamodules.io.whole_folder import make_once, whole_folder
from datamodules.manifest.manifest import Manifest
from datamodules.sources import SourceContext, source
from karyocyte.common.files import sha256_of_value, write_csv
from karyocyte.common.karyotype import NORMAL

COMPOSITION_VERSION = 1  # raise it when the same settings would make other pictures
_STREAM = 4  # of random numbers, beside those of the chromosomes
_CASE = r"^(?P<subject>.+)\."


@source(SyntheticMetaphasesConfig)
def list_synthetic_metaphases(data: SyntheticMetaphasesConfig, context: SourceContext) -> Manifest:
    """Compose the pictures of these settings into ``<cache_dir>/synthetic-metaphases-<hash>/``, once, and list them.

    The cells are those of the source ``synthetic_chromosomes``. Beside the pictures are the boxes of the chromosomes,
    as Pascal VOC; the masks can be had from `draw_metaphase`.

    Raises:
        UserError: There are fewer cells than cases.
    """
    data.check()
    facts = data.model_dump(include={"cells", "cases", "abnormal", "seed"}) | {"version": COMPOSITION_VERSION}
    folder = context.cache_dir / f"synthetic-metaphases-{sha256_of_value(facts)[:8]}"
    names = [f"{cell_name(data, cell)}.png" for cell in range(data.cells)]

    def is_whole(folder: Path) -> bool:
        """Tell whether all pictures are there."""
        return all((folder / name).is_file() for name in names)

    make_once(folder, lambda place: _write(data, names, place, context.progress), is_whole)
    as_real = MetaphasesConfig(source="metaphases", subject_regex=_CASE)
    listing = list_metaphases(as_real, replace(context, data_dir=str(folder)))
    return replace(listing, source=data.source, notes=(NOTE, *listing.notes), synthetic=True)


def draw_metaphase(data: DrawnCellsConfig, cell: int) -> MetaphasePicture:
    """Draw a picture with boxes and masks of its chromosomes: a function of settings and cell."""
    rng = np.random.default_rng([data.seed, _STREAM, cell])
    contrast = rng.uniform(0.45, 0.7)
    depth = rng.uniform(0.2, 0.35)
    chromosomes = []
    for number, label in enumerate(labels_of(data, cell)):
        pixels = _as_taken(draw_picture(data, cell, number), contrast, depth)
        chromosomes.append(to_chromosome(pixels, label, f"{cell_name(data, cell)}_{number + 1:02d}"))
    return compose_metaphase(chromosomes, rng, scale=math.exp(rng.normal(0.1, 0.1)))


def _as_taken(pixels: np.ndarray, contrast: float, depth: float) -> np.ndarray:
    """Undo what programs do to the chromosomes that they cut out: weaken the contrast, and darken the light bands."""
    pixels = cv2.copyMakeBorder(pixels, 3, 3, 3, 3, cv2.BORDER_CONSTANT, value=GROUND)
    body = cv2.GaussianBlur((pixels < GROUND).astype(np.float32), (0, 0), 1.0)
    return np.asarray(GROUND * (1 - depth * body) * (pixels / GROUND) ** contrast, np.uint8)


def _write(data: DrawnCellsConfig, names: Sequence[str], folder: Path, progress: bool) -> None:
    """Write pictures, boxes and the lists of normal and abnormal cells."""
    lists: dict[str, list[str]] = {name: [] for name in LISTS}
    with whole_folder(folder) as beside:
        cells = range(len(names))
        drawn = threaded(partial(draw_metaphase, data), cells, len(names), "composing metaphases", progress)
        for cell, (name, picture) in enumerate(zip(names, drawn, strict=True)):
            (beside / name).write_bytes(encode_png(picture.pixels))
            placed = picture.chromosomes
            boxes = [one.box.tolist() for one in placed]
            write_voc((beside / name).with_suffix(".xml"), [one.label for one in placed], boxes)
            karyotype = name_karyotype(Counter(labels_of(data, cell)))
            lists["normal.csv" if karyotype.label == NORMAL else "number_abnormalities.csv"].append(name)
        for list_name, listed in lists.items():
            if listed:
                write_csv(beside / list_name, pd.DataFrame({"filename": listed}))
