"""Pieces of chromosomes, cut along rows and joined end to end; no pixel is resampled."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from datamodules.synthesis.aberrations.axis import Axis
from datamodules.synthesis.metaphase import GROUND

# What two edges may differ by, so that no step or seam is seen where they are joined.
_WIDTH = 0.15  # of the broader one's width
_GRAY = 30.0  # gray values of 255, on average over the width
# Of the greater one's change of gray per row. What grows dark towards the join must grow darker beyond it: two edges of
# light bands, gray as they are, would make a thin dark line.
_CHANGE = 0.8
_FLAT = 4.0  # gray values per row: below it two edges are within a band
_KINK = 0.15  # columns per row between the two middle lines: 9 degrees


class Piece(NamedTuple):
    """Some rows of a chromosome.

    Attributes:
        source: Of which chromosome.
        start: First row.
        stop: One past the last row.
        flipped: Whether it is turned upside down.
    """

    source: Axis
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
        return -1 if self.flipped else 1

    @property
    def upper(self) -> int:
        """Row of the source that is its upper edge as it lies."""
        return self.stop - 1 if self.flipped else self.start

    @property
    def lower(self) -> int:
        """Row of the source that is its lower edge as it lies."""
        return self.start if self.flipped else self.stop - 1


def join(pieces: Sequence[Piece]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Join pieces from top to bottom, each shifted by whole pixels so that the middles of the edges meet.

    Returns:
        Pixels, uint8 gray (H, W); mask, bool (H, W); the first row of each piece, and H, int64 (pieces + 1,).
    """
    offsets = [0]
    for above, below in pairwise(pieces):
        shift = above.source.middles[above.lower] - below.source.middles[below.upper]
        offsets.append(offsets[-1] + int(np.rint(shift)))
    starts = np.cumsum([0, *(piece.rows for piece in pieces)])
    breadth = 0
    for piece, offset in zip(pieces, offsets, strict=True):
        breadth = max(breadth, offset - min(offsets) + piece.source.chromosome.mask.shape[1])
    pixels = np.full((starts[-1], breadth), GROUND, np.uint8)
    mask = np.zeros((starts[-1], breadth), bool)
    for piece, top, offset in zip(pieces, starts, offsets, strict=False):
        source = piece.source.chromosome
        left = offset - min(offsets)
        place = np.s_[top : top + piece.rows, left : left + source.mask.shape[1]]
        pixels[place] = source.pixels[piece.start : piece.stop][:: piece.sense]
        mask[place] = source.mask[piece.start : piece.stop][:: piece.sense]
    columns = np.flatnonzero(mask.any(axis=0))
    tight = slice(columns[0], columns[-1] + 1)
    return pixels[:, tight], mask[:, tight], starts


def edge(piece: Piece, row: int) -> np.ndarray:
    """Measure what tells whether two edges fit: a row of a piece, as the piece lies.

    Returns:
        Its width, the changes downwards of its gray value and of its middle, and its texture: float64, shape
        (3 + COLUMNS,).
    """
    axis = piece.source
    downwards = [axis.widths[row], piece.sense * axis.changes[row], piece.sense * axis.slopes[row]]
    return np.concatenate([downwards, axis.textures[row]])


def mismatch(pieces: Sequence[Piece]) -> float:
    """How badly the edges of neighbours fit: 0 for edges alike; above 1 a step, a seam or a kink would be seen."""
    worst = 0.0
    for above, below in pairwise(pieces):
        were_neighbours = above.source is below.source and above.stop == below.start
        if not were_neighbours or above.flipped or below.flipped:
            worst = max(worst, float(differences(edge(above, above.lower), edge(below, below.upper))))
    return worst


def differences(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """How badly edges fit, on the scale of `mismatch`; arrays of edges are broadcast."""
    apart = np.abs(above - below)
    largest = np.maximum(np.abs(above), np.abs(below))
    measures = (
        apart[..., 0] / (_WIDTH * largest[..., 0]),
        apart[..., 1] / np.maximum(_CHANGE * largest[..., 1], _FLAT),
        apart[..., 2] / _KINK,
        apart[..., 3:].mean(axis=-1) / _GRAY,
    )
    return np.asarray(np.maximum.reduce(measures))
