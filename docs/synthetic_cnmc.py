"""Writes synthetic cells into the folders of C-NMC's training set, a share of those published of each fold and class.

``python -m docs.synthetic_cnmc FOLDER --share 0.02``
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import cv2
import typer

from datamodules.io.progress import threaded
from datamodules.manifest.manifest import DRAWN
from datamodules.sources.cnmc import PUBLISHED
from datamodules.sources.synthetic_cells import draw_image
from karyocyte.commands.shared.program import program
from karyocyte.common.cli import say
from karyocyte.config.sources import SyntheticConfig

SIDE = 450  # pixels, as published
PATIENTS, HEALTHY = 47, 26  # subjects of the training set
SUBJECTS = 2 * PATIENTS  # draw_image makes every second subject healthy; not all of these are used
FOLDS = [name for name in PUBLISHED if name.startswith("fold_")]

Folder = Annotated[Path, typer.Argument(help="A folder without such cells.")]
Share = Annotated[float, typer.Option(min=0.005, max=1.0, help="Of the published number of each fold and class.")]


def draw(folder: Folder, share: Share = 1.0) -> None:
    """Draw cells in the folders and file names of C-NMC 2019."""
    say(f"{draw_cells(folder, share):,} synthetic cells in {folder}")


def draw_cells(folder: Path, share: float) -> int:
    """Draw a share of the cells into a folder that has none yet; return how many."""
    cells = dict(_places(share))
    data = SyntheticConfig(source="synthetic", size=SIDE, subjects=SUBJECTS, images=max(cells.values()) + 1)
    for parent in {path.parent for path in cells}:
        (folder / parent).mkdir(parents=True)  # an error where there is one
    (folder / DRAWN).write_text("Synthetic cells in the folders of C-NMC: no patients.\n")

    def write(path: Path) -> None:
        """Draw and write one cell."""
        _, content = cv2.imencode(".bmp", draw_image(data, cells[path])[..., ::-1])
        (folder / path).write_bytes(content.tobytes())

    for _ in threaded(write, list(cells), len(cells), f"drawing {len(cells):,} cells", True):
        pass
    return len(cells)


def _places(share: float) -> Iterator[tuple[Path, int]]:
    """Yield the place of each cell and its number for ``draw_image``; no subject is in two folds."""
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
                path = Path("C-NMC_training_data", fold, label, f"UID_{name}_{turn + 1}_1_{label}.bmp")
                yield path, turn * SUBJECTS + subject


app = program(draw, "python -m docs.synthetic_cnmc synthetic_cnmc --share 0.02")

if __name__ == "__main__":
    app()
