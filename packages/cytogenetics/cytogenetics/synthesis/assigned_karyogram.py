"""The karyogram of a cell whose chromosomes were assigned: in the customary rows, doubtful ones outlined."""

from collections.abc import Sequence
from contextlib import suppress
from itertools import chain
from math import ceil
from typing import NamedTuple

import cv2
import numpy as np

from cytogenetics.karyotypes.naming import MARKER
from cytogenetics.synthesis.karyogram_composer import ROWS, Place, SheetLayout, compose
from cytogenetics.synthesis.metaphase import Chromosome, Metaphase, to_chromosome, trim
from karyocyte.common.errors import UserError
from karyocyte.common.karyotype import CHROMOSOMES

SCALE = 2.0  # pixels of the sheet per pixel of the canvas
WIDTH = 1100  # pixels, more where a row needs it
MARGIN = 32
GAP = 8
ROW_GAP = 54
DOUBT = (179, 71, 0)  # RGB of outlines and names: dark enough to be read on white
FONT = cv2.FONT_HERSHEY_SIMPLEX
LETTERS = 0.55  # scale of the font


class Karyogram(NamedTuple):
    """A picture of a karyogram."""

    pixels: np.ndarray  # uint8 RGB, dark on white
    places: dict[int, Place]  # where chromosomes are, by their index; without markers and those that nothing is seen of

    def emptied(self) -> "Karyogram":
        """Return it once its file is written: white pixels of the same shape, which take no memory."""
        return self._replace(pixels=np.broadcast_to(np.uint8(255), self.pixels.shape))


def draw_karyogram(
    images: np.ndarray, classes: Sequence[str], doubts: Sequence[str], scale: float = SCALE
) -> Karyogram:
    """Draw the karyogram of a cell: pairs in the rows A, B; C; D, E; F, G and the sex chromosomes.

    Args:
        images: Upright chromosomes at one scale, uint8 RGB on black, shape (N, H, W, 3), N at least 1.
        classes: "1" to "22", "X" or "Y" of each, or MARKER: these are in a row below.
        doubts: What is written above the outline of those in doubt, such as "21?"; "" of the others.
        scale: Pixels of the sheet per pixel of the images.
    """
    chromosomes = []
    markers = []
    kept = []
    for number in sorted(range(len(images)), key=lambda number: (*CHROMOSOMES, MARKER).index(classes[number])):
        gray = 255 - cv2.cvtColor(np.ascontiguousarray(images[number]), cv2.COLOR_RGB2GRAY)
        with suppress(UserError):  # darker than what an outline can be found of
            chromosome = trim(to_chromosome(gray, classes[number], str(number)))
            if classes[number] == MARKER:
                markers.append(chromosome.pixels)
                continue
            chromosomes.append(chromosome)
            kept.append(number)
    sheet = compose(Metaphase("", None, tuple(chromosomes)), _layout(chromosomes, scale))
    picture = np.repeat(sheet.pixels[..., None], 3, axis=2)
    places = dict(zip(kept, sheet.places, strict=True))
    for number, place in places.items():
        if text := doubts[number]:
            corner = (place.x + place.width, place.y + place.height)
            cv2.rectangle(picture, (place.x, place.y), corner, DOUBT, 2)
            cv2.putText(picture, text, (place.x, place.y - 5), FONT, LETTERS, DOUBT, 1, cv2.LINE_AA)
    return Karyogram(_with_markers(picture, markers, sheet.scale) if markers else picture, places)


def _with_markers(picture: np.ndarray, markers: Sequence[np.ndarray], scale: float) -> np.ndarray:
    """Add a row of markers, uint8 gray, below a karyogram."""
    scaled = [cv2.resize(one, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for one in markers]
    high = max(one.shape[0] for one in scaled)
    row = [np.pad(one, ((high - one.shape[0], ROW_GAP), (GAP, GAP)), constant_values=255) for one in scaled]
    band = np.repeat(np.concatenate(row, axis=1)[..., None], 3, axis=2)
    cv2.putText(band, MARKER, (GAP, high + ROW_GAP // 2), FONT, LETTERS, (0, 0, 0), 1, cv2.LINE_AA)
    wide = max(picture.shape[1], band.shape[1] + MARGIN)
    picture = np.pad(picture, ((0, 0), (0, wide - picture.shape[1]), (0, 0)), constant_values=255)
    band = np.pad(band, ((0, 0), (MARGIN, wide - band.shape[1] - MARGIN), (0, 0)), constant_values=255)
    return np.concatenate([picture, band])


def _layout(chromosomes: Sequence[Chromosome], scale: float) -> SheetLayout:
    """Return a sheet that is as large as the chromosomes need at a scale."""
    width = 0.0
    height = 0.0
    for row in ROWS:
        names = set(chain(*row))
        of_row = np.array([one.mask.shape for one in chromosomes if one.label in names]).reshape(-1, 2)
        # The composer gives each chromosome room to turn a little.
        room = scale * (of_row + 0.11 * of_row[:, ::-1])
        width = max(width, sum((room[:, 1] + GAP).tolist()))
        height += room[:, 0].max(initial=0.0) + ROW_GAP
    # Between pairs, and for the empty place of a lone homologue, there is room as well.
    size = (ceil(height) + 2 * MARGIN, max(WIDTH, ceil(1.3 * width) + 2 * MARGIN))
    return SheetLayout(
        size=size, scale=scale, margin=MARGIN, homologue_gap=GAP, pair_gap=2 * GAP, row_gap=ROW_GAP, labels=True
    )
