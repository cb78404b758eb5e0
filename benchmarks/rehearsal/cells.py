"""Drawn cells in the folders of C-NMC's training set, as many of each fold and class as were published."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from datamodules.io.progress import threaded
from datamodules.manifest.manifest import DRAWN
from datamodules.sources.cnmc import PUBLISHED, TRAINING
from datamodules.sources.synthetic_cells import SyntheticConfig, draw_image

SIDE = 450  # pixels, as published
PATIENTS, HEALTHY = 47, 26  # subjects of the training set
SUBJECTS = 2 * PATIENTS  # draw_image makes every second subject healthy; not all of these are used
FOLDS = [name for name in PUBLISHED if name.startswith("fold_")]


@dataclass(frozen=True)
class DrawnCell:
    """A picture to be drawn: its number for ``draw_image``, and its place below the folder."""

    number: int
    path: Path


def drawn_cells(share: float) -> Iterator[DrawnCell]:
    """List the pictures: of each fold as many ALL and HEM as published, times ``share``; no subject in two folds."""
    for fold_number, fold in enumerate(FOLDS):
        for class_number, (label, count) in enumerate(zip(("all", "hem"), PUBLISHED[fold], strict=True)):
            # draw_image gives subject s the class of s % 2; a fold has the subjects s // 2 % 3 of its number.
            subjects = [s for s in range(class_number, SUBJECTS, 2) if s // 2 % len(FOLDS) == fold_number]
            if label == "hem":
                subjects = subjects[: round(len(subjects) * HEALTHY / PATIENTS)]
            for image in range(round(share * count)):
                turn, place = divmod(image, len(subjects))
                subject = subjects[place]
                name = f"{'H' if label == 'hem' else ''}{subject // 2 + 1}"
                path = Path(TRAINING, fold, label, f"UID_{name}_{turn + 1}_1_{label}.bmp")
                yield DrawnCell(turn * SUBJECTS + subject, path)


def draw_cells(folder: Path, share: float) -> int:
    """Draw a share of the cells into a folder that has none yet; return how many."""
    cells = list(drawn_cells(share))
    most = max(cell.number for cell in cells) + 1
    data = SyntheticConfig(source="synthetic", size=SIDE, subjects=SUBJECTS, images=most)
    for parent in {cell.path.parent for cell in cells}:
        (folder / parent).mkdir(parents=True)  # an error where there is one
    (folder / DRAWN).write_text("Drawn cells in the folders of C-NMC: no patients.\n")

    def write(cell: DrawnCell) -> None:
        write_picture(folder / cell.path, draw_image(data, cell.number))

    for _ in threaded(write, cells, len(cells), f"drawing {len(cells):,} cells", True):
        pass
    return len(cells)


def write_picture(path: Path, image: np.ndarray) -> None:
    """Write an RGB image, (H, W, 3), as BMP; an ``OSError`` says where the disk is full, as cv2.imwrite does not."""
    _, content = cv2.imencode(".bmp", image[..., ::-1])
    path.write_bytes(content.tobytes())
