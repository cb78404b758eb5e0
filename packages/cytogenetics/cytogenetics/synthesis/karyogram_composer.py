"""Lays the chromosomes of one cell out as a karyogram: lines hold Denver groups, columns pairs, at one scale."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import cos, radians, sin
from typing import NamedTuple

import cv2
import numpy as np

from cytogenetics.synthesis.ideogram import IDEOGRAM
from cytogenetics.synthesis.metaphase import GROUND, Chromosome, Metaphase, trim
from karyocyte.common.errors import UserError
from karyocyte.common.karyotype import AUTOSOMES, CHROMOSOMES

# The groups of the Denver conference (1960), each in one line: A, B; C; D, E; F, G and the sex chromosomes.
ROWS = (
    (("1", "2", "3"), ("4", "5")),
    (("6", "7", "8", "9", "10", "11", "12"),),
    (("13", "14", "15"), ("16", "17", "18")),
    (("19", "20"), ("21", "22"), ("X", "Y")),
)
TURN = 6.0  # degrees, either way, by which a chromosome can turn about the middle of its box without leaving it
_EDGE = 1  # pixels of ground at each side of a box beside that
_SMALLEST = 0.25  # of the scale that is asked for: below it bands are gone, the sheet is no sheet
_LETTERS = 16  # pixels high, at most
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_HEIGHT = 22.0  # pixels of a digit at scale 1


class Place(NamedTuple):
    """Where a chromosome lies, in pixels: a box that holds it alone, on plain ground, in its middle."""

    chromosome: str
    x: int
    y: int
    width: int
    height: int


_Sizes = Mapping[str, np.ndarray]  # per class, present or not, the width and height of each chromosome, shape (n, 2)
_Feet = dict[str, tuple[int, int]]  # per class, present or not, the x and y of its column


@dataclass(frozen=True)
class SheetLayout:
    """The sheet that a karyogram is laid out on; lengths in pixels, gaps the least, those of rows hold the labels."""

    size: tuple[int, int] = (640, 832)  # height and width
    scale: float = 1.1  # of the sheet per pixel of a chromosome's picture; smaller for a cell that does not fit
    labels: bool = True  # 1 to 22, X and Y below the chromosomes
    margin: int = 24
    homologue_gap: int = 4
    pair_gap: int = 14
    row_gap: int = 28


@dataclass(frozen=True, eq=False)
class Sheet:
    """A karyogram."""

    pixels: np.ndarray  # uint8 gray, shape (H, W), dark on `GROUND`
    places: tuple[Place, ...]  # one per chromosome; no two overlap
    scale: float  # pixels of the sheet per pixel of the chromosomes' pictures


def compose(cell: Metaphase, sheet: SheetLayout) -> Sheet:
    """Lay a cell out on a sheet: homologues side by side on one base line, their class below them.

    Raises:
        UserError: The chromosomes are so large that less than a quarter of the scale is left.
    """
    trimmed: dict[str, list[Chromosome]] = {}
    for chromosome in cell.chromosomes:
        trimmed.setdefault(chromosome.label, []).append(trim(chromosome))
    sizes = dict.fromkeys(CHROMOSOMES, np.zeros((0, 2), int))
    for name, homologues in trimmed.items():
        sizes[name] = np.array([homologue.mask.shape[::-1] for homologue in homologues])
        if name in AUTOSOMES and len(homologues) == 1:  # the second, right place of a pair stays free
            sizes[name] = np.tile(sizes[name], (2, 1))
    scale, boxes, feet = _lay_out(sizes, sheet)
    pixels = np.full(sheet.size, GROUND, np.uint8)
    places = []
    for name, homologues in trimmed.items():
        for chromosome, place in zip(homologues, boxes[name], strict=False):
            _draw(chromosome, place, scale, pixels)
            places.append(place)
    if sheet.labels:
        # In half of the gap that holds them.
        _write_labels(pixels, feet, min(min(sheet.row_gap, sheet.margin) // 2, _LETTERS))
    return Sheet(pixels, tuple(places), scale)


def _draw(chromosome: Chromosome, place: Place, scale: float, pixels: np.ndarray) -> None:
    """Draw a chromosome into the middle of its place."""
    height = max(1, round(chromosome.mask.shape[0] * scale))
    width = max(1, round(chromosome.mask.shape[1] * scale))
    left = place.x + (place.width - width) // 2
    top = place.y + (place.height - height) // 2
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    scaled = cv2.resize(chromosome.pixels, (width, height), interpolation=interpolation)
    # Cubic interpolation rings: what is beyond the outline stays plain ground.
    covered = cv2.resize(chromosome.mask.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) > 0
    pixels[top : top + height, left : left + width] = np.where(covered, scaled, GROUND)


def _write_labels(pixels: np.ndarray, feet: _Feet, letters: int) -> None:
    """Write each class below its column, whether it has a chromosome or not: labels tell nothing of the cell."""
    scale = letters / _FONT_HEIGHT
    for name, (middle, bottom) in feet.items():
        (width, height), _ = cv2.getTextSize(name, _FONT, scale, 1)
        foot = (middle - width // 2, bottom + letters // 2 + height)
        cv2.putText(pixels, name, foot, _FONT, scale, 0, 1, cv2.LINE_AA)


def _lay_out(sizes: _Sizes, sheet: SheetLayout) -> tuple[float, dict[str, list[Place]], _Feet]:
    """Return the scale, the places of each class from left to right, and the feet of all classes.

    Lines and columns are at the same place on each sheet; what needs more room makes its neighbours give way, by as
    little as possible. What does not fit even so is scaled down as a whole.
    """
    cosine = cos(radians(TURN))
    sine = sin(radians(TURN))
    turned = {}
    for name, size in sizes.items():  # the room that a chromosome needs so that it can turn
        turned[name] = np.maximum(size, size * cosine + size[:, ::-1] * sine)
    scale = min(sheet.scale, _largest_scale(turned, sheet))
    if scale < _SMALLEST * sheet.scale:
        height, width = sheet.size
        problem = f"a karyogram of {width} x {height} pixels leaves no room for chromosomes of this size"
        raise UserError(f"{problem}: scale all images of chromosomes down by the same factor")
    boxes = {}
    for name, size in turned.items():
        boxes[name] = np.ceil(size * scale).astype(int) + 2 * _EDGE
    places: dict[str, list[Place]] = {}
    feet: _Feet = {}
    for row, bottom in zip(ROWS, _base_lines(boxes, sheet), strict=True):
        for name, (left, middle) in _columns(row, boxes, sheet).items():
            feet[name] = (middle, bottom)
            places[name] = []
            for width, height in boxes[name].tolist():
                places[name].append(Place(name, left, bottom - height, width, height))
                left += width + sheet.homologue_gap
    return scale, places, feet


def _largest_scale(sizes: _Sizes, sheet: SheetLayout) -> float:
    """The largest scale at which all lines fit in width, and together in height."""
    height, width = np.subtract(sheet.size, 2 * sheet.margin).tolist()
    extra = 2 * _EDGE + 1  # of a box, at most, over its scaled size
    scales = []
    tallest = 0.0
    for row in ROWS:
        pairs = [sizes[name] for name in chain(*row)]
        boxes = np.concatenate(pairs)
        if len(boxes):
            homologues = len(boxes) - sum(map(bool, map(len, pairs)))
            gaps = (len(pairs) - 1) * sheet.pair_gap + homologues * sheet.homologue_gap
            scales.append((width - gaps - extra * len(boxes)) / sum(boxes[:, 0].tolist()))
            tallest += float(boxes[:, 1].max())
    gaps = (len(ROWS) - 1) * sheet.row_gap
    return float(min(*scales, (height - gaps - extra * len(ROWS)) / tallest))


def _base_lines(boxes: _Sizes, sheet: SheetLayout) -> list[int]:
    """The lines that the chromosomes stand on; of constant ones each line has room by its largest chromosome."""
    shares = np.array([max(IDEOGRAM[name].length_mb for name in chain(*row)) for row in ROWS])
    heights = np.array([max(boxes[name][:, 1].max(initial=0) for name in chain(*row)) for row in ROWS])
    room = sheet.size[0] - 2 * sheet.margin - (len(ROWS) - 1) * sheet.row_gap
    wished = sheet.margin + np.cumsum(shares / shares.sum()) * room + np.arange(len(ROWS)) * sheet.row_gap
    tops = _give_way(wished - heights, heights, sheet.row_gap, sheet.margin, sheet.size[0] - sheet.margin)
    lines: list[int] = (_whole(tops) + heights).tolist()
    return lines


def _columns(row: Sequence[Sequence[str]], boxes: _Sizes, sheet: SheetLayout) -> dict[str, tuple[int, int]]:
    """The left end and the middle of each pair of one line; its columns are equally wide, its groups stand apart."""
    names = list(chain(*row))
    groups = np.repeat(np.arange(len(row)), list(map(len, row)))
    room = sheet.size[1] - 2 * sheet.margin - (len(row) - 1) * sheet.pair_gap
    wished = sheet.margin + (np.arange(len(names)) + 0.5) * room / len(names) + groups * sheet.pair_gap
    pairs = [boxes[name] for name in names]
    widths = np.array([pair[:, 0].sum() + max(len(pair) - 1, 0) * sheet.homologue_gap for pair in pairs])
    lefts = _give_way(wished - widths / 2, widths, sheet.pair_gap, sheet.margin, sheet.size[1] - sheet.margin)
    ends = zip(_whole(lefts).tolist(), _whole(lefts + widths / 2).tolist(), strict=True)
    return dict(zip(names, ends, strict=True))


def _give_way(wished: np.ndarray, lengths: np.ndarray, gap: int, low: int, high: int) -> np.ndarray:
    """Start intervals of whole lengths between two ends, a gap apart, as near the wished starts as can be."""
    from scipy.optimize import isotonic_regression  # here: slow to import

    # By least squares; with the lengths and gaps before each taken off, "a gap apart" means "not descending".
    before = np.concatenate([[0], np.cumsum(lengths + gap)[:-1]])
    starts = isotonic_regression(wished - before).x.clip(low, high - lengths[-1] - before[-1])
    return np.asarray(starts + before)


def _whole(positions: np.ndarray) -> np.ndarray:
    """Round down: intervals of whole lengths that do not overlap, do not so either; 1e-6 is above the error of sums."""
    return np.floor(positions + 1e-6).astype(np.int64)
