"""Writes the output folder of a metaphase without a model, and knows how a reader corrects it.

The metaphase is of a male. The first two chromosomes, which touch, are one file; the third one is two; the X was left
out; and the Y was not found.
"""

from pathlib import Path

import numpy as np

from cytogenetics.cells.cell_settings import KaryotypePriors
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
    picture = np.full((460, 640), 250, np.uint8)
    for left, top, right, bottom in TRUE.astype(int) + (MARGIN, MARGIN, -MARGIN, -MARGIN):
        picture[top:bottom, left:right] = 75 + np.arange(bottom - top, dtype=np.uint8)[:, None] % 10
        picture[top + 8 : top + 12, left:right] = 130
    return picture


def write_metaphase(output: Path, cells: int = 1) -> ReviewBundle:
    """Write cells m0, m1, ..., all alike."""
    picture = draw_metaphase()
    left, top, right, bottom = TRUE[2]
    pieces = [(left, top, right, (top + bottom) / 2), (left, (top + bottom) / 2, right, bottom)]
    found = np.array([(*TRUE[0, :2], *TRUE[1, 2:]), *pieces, *TRUE[3:45]], np.float32)
    classes = [MALE[0], MALE[2], MALE[2], *MALE[3:45]]
    (output / FOLDER).mkdir(parents=True)
    named = {}
    for number in range(cells):
        stem = f"m{number}"
        write_image(output / METAPHASES / f"{stem}.png", picture)
        boxes, files = {}, []
        for place, cut in enumerate(cut_out(255 - picture, found)):
            name = f"{stem}/{place + 1:02}.png"
            write_image(output / CUT_OUTS / name, cut.pixels)
            boxes[name] = ReviewedBox.of(found[place], cut.outline)
            files.append((name, f"{CUT_OUTS}/{name}"))
        left_out = [f"{stem}/45.png: no chromosome"]
        logs = log_probabilities(classes)[:-1]
        named[stem] = named_cell(None, stem, files[:-1], logs, left_out=left_out, boxes=boxes)
        strip = np.full((50, 44 * 16), 55, np.uint8)
        strip[:5] = 255
        write_picture(output / FOLDER / f"{stem}.png", strip)
    summaries = [CellSummary(f"m{number}", f"m{number}", 0.1) for number in range(cells)]
    index = ReviewIndex(KaryotypePriors(), True, 0.95, summaries)
    write_bundle(output / FOLDER, index, named)
    return ReviewBundle(output)
