"""Pieces of chromosomes, cut along rows and joined end to end; no pixel is resampled."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from datamodules.synthesis.aberrations.axis import Axis
from datamodules.synthesis.metaphase import GROUND, Chromosome

# What two edges may differ by, so that no step or seam is seen where they are joined.
_WIDTH = 0.15  # of the broader one's width
_GRAY = 30.0  # gray values of 255, on average over the width
# Of the greater one's change of gray per row. What grows dark towards the join must grow darker beyond it: two edges of
# light bands, gray as they are, would make a thin dark line.
_CHANGE = 0.8
_FLAT = 4.0  # gray values per row: below it two edges are within a band
_KINK = 0.15  # columns per row between the two middle lines: 9 degrees


class Cuttable(NamedTuple):
    """A chromosome that is fit to be cut.

    Attributes:
        place: Its index in the cell.
        chromosome: Trimmed to its mask.
        axis: Its measures.
    """

    place: int
    chromosome: Chromosome
    axis: Axis


class Piece(NamedTuple):
    """Some rows of a chromosome.

    Attributes:
        source: Of which chromosome.
        start: First row.
        stop: One past the last row.
        flipped: Whether it is turned upside down.
    """

    source: Cuttable
    start: int
    stop: int
    flipped: bool = False

    @property
    def rows(self) -> int:
        """How many."""
        return self.stop - self.start

    @property
    def sense(self) -> int:
        """-1 where what changes from row to row changes the other way round."""
        if self.flipped:
            return -1
        return 1

    @property
    def upper(self) -> int:
        """Row of the source that is its upper edge as it lies."""
        if self.flipped:
            return self.stop - 1
        return self.start

    @property
    def lower(self) -> int:
        """Row of the source that is its lower edge as it lies."""
        if self.flipped:
            return self.start
        return self.stop - 1


class Edge(NamedTuple):
    """What tells whether two edges fit; numbers, or arrays of many edges.

    Attributes:
        width: Pixels.
        change: Of the gray value per row, downwards as the piece lies.
        slope: Columns to the right per row, likewise.
        texture: Gray values from the left to the right, shape (..., `COLUMNS`).
    """

    width: np.ndarray
    change: np.ndarray
    slope: np.ndarray
    texture: np.ndarray


class Joined(NamedTuple):
    """Pieces joined.

    Attributes:
        pixels: uint8 gray, shape (H, W).
        mask: bool, shape (H, W).
        starts: First row of each piece, and H: int64, shape (pieces + 1,).
    """

    pixels: np.ndarray
    mask: np.ndarray
    starts: np.ndarray


def edge(piece: Piece, row: int) -> Edge:
    """Measure a row of a piece, as the piece lies."""
    axis = piece.source.axis
    return Edge(axis.widths[row], piece.sense * axis.changes[row], piece.sense * axis.slopes[row], axis.textures[row])


def mismatch(pieces: Sequence[Piece]) -> float:
    """How badly the edges of neighbours fit: 0 for edges alike; above 1 a step, a seam or a kink would be seen."""
    return max(_mismatch(above, below) for above, below in zip(pieces[:-1], pieces[1:], strict=True))


def join(pieces: Sequence[Piece]) -> Joined:
    """Join pieces from top to bottom, each shifted by whole pixels so that the middles of the edges meet."""
    offsets = [0.0]
    for above, below in zip(pieces[:-1], pieces[1:], strict=True):
        shift = above.source.axis.middles[above.lower] - below.source.axis.middles[below.upper]
        offsets.append(offsets[-1] + int(np.rint(shift)))
    left = np.array(offsets, np.int64) - int(min(offsets))
    starts = np.cumsum([0, *(piece.rows for piece in pieces)])
    breadth = max(at + piece.source.chromosome.mask.shape[1] for at, piece in zip(left, pieces, strict=True))
    pixels = np.full((starts[-1], breadth), GROUND, np.uint8)
    mask = np.zeros((starts[-1], breadth), bool)
    for piece, top, at in zip(pieces, starts, left, strict=False):
        rows = slice(piece.start, piece.stop)
        place = (slice(top, top + piece.rows), slice(at, at + piece.source.chromosome.mask.shape[1]))
        pixels[place] = piece.source.chromosome.pixels[rows][:: piece.sense]
        mask[place] = piece.source.chromosome.mask[rows][:: piece.sense]
    columns = np.flatnonzero(mask.any(axis=0))
    tight = slice(columns[0], columns[-1] + 1)
    return Joined(pixels[:, tight], mask[:, tight], starts)


def differences(above: Edge, below: Edge) -> np.ndarray:
    """How badly edges fit, on the scale of `mismatch`; arrays of edges are broadcast."""
    steepest = np.maximum(np.abs(above.change), np.abs(below.change))
    measures = (
        np.abs(above.width - below.width) / (_WIDTH * np.maximum(above.width, below.width)),
        np.abs(above.change - below.change) / np.maximum(_CHANGE * steepest, _FLAT),
        np.abs(above.slope - below.slope) / _KINK,
        np.abs(above.texture - below.texture).mean(axis=-1) / _GRAY,
    )
    return np.asarray(np.maximum.reduce(measures))


def _mismatch(above: Piece, below: Piece) -> float:
    if above.source is below.source and not above.flipped and not below.flipped and above.stop == below.start:
        return 0.0  # they were neighbours before
    return float(differences(edge(above, above.lower), edge(below, below.upper)))
