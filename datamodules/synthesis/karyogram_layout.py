"""Where the chromosomes of a karyogram stand: lines of Denver groups, columns of pairs, one scale for the cell."""

from collections.abc import Mapping, Sequence
from math import ceil, cos, floor, radians, sin
from typing import NamedTuple

import numpy as np

from common.errors import UserError
from datamodules.synthesis.config import SheetConfig
from datamodules.synthesis.ideogram import IDEOGRAM

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


class Place(NamedTuple):
    """Where a chromosome lies: a box that holds it alone, on plain ground, in its middle.

    Attributes:
        chromosome: "1" to "22", "X" or "Y".
        x: First column, pixels of the sheet.
        y: First row.
        width: Columns.
        height: Rows.
    """

    chromosome: str
    x: int
    y: int
    width: int
    height: int


class Layout(NamedTuple):
    """Positions on the sheet.

    Attributes:
        scale: Pixels of the sheet per pixel of the chromosomes' pictures.
        places: Per class its boxes, from left to right.
        feet: Per class, whether it has a chromosome or not, the middle of its column and its base line: x and y.
    """

    scale: float
    places: dict[str, list[Place]]
    feet: dict[str, tuple[int, int]]


Sizes = Mapping[str, Sequence[tuple[float, float]]]


def lay_out(sizes: Sizes, sheet: SheetConfig) -> Layout:
    """Give each chromosome its place.

    Lines and columns stand at the same place on each sheet of one configuration. A pair, or a line, that needs more
    room makes its neighbours give way, by as little as possible. What does not fit even so is scaled down as a whole.

    Args:
        sizes: Per class ("1" to "22", "X", "Y"; it may be absent) the width and height of each chromosome in pixels of
            its picture.
        sheet: Size of the sheet, gaps and the scale that is wished for.

    Raises:
        UserError: The sheet is so small, or its margins and gaps so large, that less than a quarter of the scale is
            left.
    """
    turned = {name: [_turned(*size) for size in found] for name, found in sizes.items()}
    rows = [[turned.get(name, []) for name in _names(row)] for row in ROWS]
    scale = min(sheet.scale, _largest_scale(rows, sheet))
    if scale < _SMALLEST * sheet.scale:
        height, width = sheet.size
        found = (
            f"data.sheet.size=[{height},{width}] leaves no room for 46 chromosomes at data.sheet.scale={sheet.scale}"
        )
        raise UserError(f"{found}: enlarge it, or lower scale, margin, homologue_gap, pair_gap or row_gap")
    boxes = [[[_box(size, scale) for size in pair] for pair in row] for row in rows]
    places = {}
    feet = {}
    for row, pairs, bottom in zip(ROWS, boxes, _base_lines(boxes, sheet), strict=True):
        for name, pair, (left, middle) in zip(_names(row), pairs, _columns(row, pairs, sheet), strict=True):
            feet[name] = (middle, bottom)
            places[name] = _side_by_side(name, pair, left, bottom, sheet.homologue_gap)
    return Layout(scale, places, feet)


def _names(row: Sequence[Sequence[str]]) -> list[str]:
    return [name for group in row for name in group]


def _turned(width: float, height: float) -> tuple[float, float]:
    """The room that a chromosome needs so that it can turn."""
    c = cos(radians(TURN))
    s = sin(radians(TURN))
    return max(width, width * c + height * s), max(height, height * c + width * s)


def _box(size: tuple[float, float], scale: float) -> tuple[int, int]:
    return ceil(size[0] * scale) + 2 * _EDGE, ceil(size[1] * scale) + 2 * _EDGE


def _largest_scale(rows: Sequence[Sequence[Sequence[tuple[float, float]]]], sheet: SheetConfig) -> float:
    """The largest scale at which all lines fit in width, and together in height."""
    height, width = (side - 2 * sheet.margin for side in sheet.size)
    extra = 2 * _EDGE + 1  # of a box, at most, over its scaled size
    scales = []
    for row in rows:
        boxes = [size for pair in row for size in pair]
        gaps = (len(row) - 1) * sheet.pair_gap + sum(max(len(pair) - 1, 0) for pair in row) * sheet.homologue_gap
        scales += [(width - gaps - extra * len(boxes)) / sum(size[0] for size in boxes)] if boxes else []
    tallest = sum(max((size[1] for pair in row for size in pair), default=0) for row in rows)
    gaps = (len(rows) - 1) * sheet.row_gap
    return min(*scales, (height - gaps - extra * len(rows)) / tallest)


def _base_lines(boxes: Sequence[Sequence[Sequence[tuple[int, int]]]], sheet: SheetConfig) -> list[int]:
    """The lines that the chromosomes stand on; of constant ones each line has room by its largest chromosome."""
    shares = np.array([max(IDEOGRAM[name].length_mb for name in _names(row)) for row in ROWS])
    room = sheet.size[0] - 2 * sheet.margin - (len(ROWS) - 1) * sheet.row_gap
    wished = sheet.margin + np.cumsum(shares / shares.sum()) * room + np.arange(len(ROWS)) * sheet.row_gap
    heights = np.array([max((size[1] for pair in row for size in pair), default=0) for row in boxes])
    tops = _give_way(wished - heights, heights, sheet.row_gap, sheet.margin, sheet.size[0] - sheet.margin)
    return [_whole(top) + int(height) for top, height in zip(tops, heights, strict=True)]


def _columns(
    row: Sequence[Sequence[str]], pairs: Sequence[Sequence[tuple[int, int]]], sheet: SheetConfig
) -> list[tuple[int, int]]:
    """The left end and the middle of each pair of one line; its columns are equally wide, its groups stand apart."""
    groups = np.repeat(np.arange(len(row)), [len(group) for group in row])
    room = sheet.size[1] - 2 * sheet.margin - (len(row) - 1) * sheet.pair_gap
    wished = sheet.margin + (np.arange(len(pairs)) + 0.5) * room / len(pairs) + groups * sheet.pair_gap
    widths = np.array([sum(size[0] + sheet.homologue_gap for size in pair) for pair in pairs])
    widths = np.maximum(widths - sheet.homologue_gap, 0)
    ends = (sheet.margin, sheet.size[1] - sheet.margin)
    lefts = _give_way(wished - widths / 2, widths, sheet.pair_gap, *ends)
    return [(_whole(left), _whole(left + width / 2)) for left, width in zip(lefts, widths, strict=True)]


def _give_way(wished: np.ndarray, lengths: np.ndarray, gap: int, low: int, high: int) -> np.ndarray:
    """Start intervals of whole lengths between two ends, a gap apart, as near the wished starts as can be.

    That is by least squares; with the lengths and gaps before each taken off, "a gap apart" means "not descending".
    """
    from sklearn.isotonic import isotonic_regression  # here: slow to import, and not every command line draws

    before = np.concatenate([[0], np.cumsum(lengths + gap)[:-1]])
    return np.asarray(isotonic_regression(wished - before, y_min=low, y_max=high - lengths[-1] - before[-1]) + before)


def _whole(position: float) -> int:
    """Round down: intervals of whole lengths that do not overlap, do not so either; 1e-6 is above the error of sums."""
    return floor(position + 1e-6)


def _side_by_side(name: str, sizes: Sequence[tuple[int, int]], left: int, bottom: int, gap: int) -> list[Place]:
    places = []
    for width, height in sizes:
        places.append(Place(name, left, bottom - height, width, height))
        left += width + gap
    return places
