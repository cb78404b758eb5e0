"""Writes the output folder of a metaphase without a model, and knows how a reader corrects it.

The metaphase is of a male. The first two chromosomes, which touch, are one file; the third one is two; the X was left
out; and the Y was not found.
"""

from pathlib import Path

import numpy as np

from cytogenetics.cells.cell_settings import KaryotypePriors
from cytogenetics.images.upright import strip_of, upright
from cytogenetics.metaphases.data.cut_out import cut_out
from cytogenetics.review.cell_bundle import (
    CUT_OUTS,
    FOLDER,
    METAPHASES,
    CellSummary,
    ReviewBundle,
    ReviewedBox,
    ReviewIndex,
    write_bundle,
    write_picture,
)
from packages.cytogenetics.tests.review.bundles import MALE, log_probabilities, named_cell
from tests.helpers.images import write_image

MARGIN = 4
WIDE = 640  # pixels of the picture
LEFT_OUT = "m0/45.png"
PIECES = {"image": "m0/02.png", "other": "m0/03.png"}  # of a 2


def true_boxes() -> np.ndarray:
    """The boxes of the chromosomes of MALE, whose bars are 12 pixels wide."""
    boxes = []
    for row in range(len(MALE)):
        left, top = 40 + 70 * (row % 8), 20 + 70 * (row // 8)
        if row == 1:
            left = 40 + 12  # beside the first one
        boxes.append((left - MARGIN, top - MARGIN, left + 12 + MARGIN, top + 50 - row // 2 + MARGIN))
    return np.array(boxes, np.float32)


TRUE = true_boxes()
LINE = [[52.0, 5.0], [52.0, 90.0]]  # between the first two


def draw_metaphase() -> np.ndarray:
    """The picture: uint8 gray, bars with a light band, dark on white."""
    picture = np.full((460, WIDE), 250, np.uint8)
    for left, top, right, bottom in TRUE.astype(int) + (MARGIN, MARGIN, -MARGIN, -MARGIN):
        picture[top:bottom, left:right] = 75 + np.arange(bottom - top, dtype=np.uint8)[:, None] % 10
        picture[top + 8 : top + 12, left:right] = 130
    return picture


def write_metaphase(output: Path) -> ReviewBundle:
    """Write the cell m0; its chromosomes stand upside down in the strip."""
    picture = draw_metaphase()
    left, top, right, bottom = TRUE[2]
    pieces = [(left, top, right, (top + bottom) / 2), (left, (top + bottom) / 2, right, bottom)]
    found = np.array([(*TRUE[0, :2], *TRUE[1, 2:]), *pieces, *TRUE[3:45]], np.float32)
    (output / FOLDER).mkdir(parents=True)
    write_image(output / METAPHASES / "m0.png", picture)
    boxes, files, images = {}, [], []
    for place, cut in enumerate(cut_out(255 - picture, found)):
        name = f"m0/{place + 1:02}.png"
        write_image(output / CUT_OUTS / name, cut.pixels)
        boxes[name] = ReviewedBox.of(found[place], cut.outline)
        files.append((name, f"{CUT_OUTS}/{name}"))
        images.append(upright(np.repeat(cut.pixels[..., None], 3, axis=2), upside_down=True))
    logs = log_probabilities([MALE[0], MALE[2], MALE[2], *MALE[3:44]])
    cell = named_cell(None, "m0", files[:-1], logs, left_out=[f"{LEFT_OUT}: no chromosome"], boxes=boxes)
    write_picture(output / FOLDER / "m0.png", 255 - strip_of(images[:-1]))
    index = ReviewIndex(KaryotypePriors(), True, 0.95, [CellSummary("m0", "m0", 0.1)])
    write_bundle(output / FOLDER, index, {"m0": cell})
    return ReviewBundle(output)
