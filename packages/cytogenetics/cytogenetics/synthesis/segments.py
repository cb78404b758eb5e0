"""Chromosomes measured along their axes, cut along rows and joined end to end; no pixel is resampled.

So each is cut along a row of its picture, square to its axis: a chromosome is fit when it is upright.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import scipy

from cytogenetics.synthesis.ideogram import IDEOGRAM
from cytogenetics.synthesis.metaphase import GROUND, Chromosome, trim

TIP = 0.08  # of the length: an end that is rounded, or cleft into its two chromatids, and is never cut
CENTROMERE = 0.05  # of the length, to either side: it varies from cell to cell by about as much
# Groups A to E and X: of F, G and Y the segments would be a few pixels long.
FIT_CLASSES = (*map(str, range(1, 19)), "X")
COLUMNS = 16  # about the width of a chromosome in pixels
_LEAST_ROWS = 36  # so that a fifth of it is 7 rows at least: a band or two
_LEAST_ASPECT = 2.0  # height by width: below it the two sides are no longer parallel anywhere
_MOST_DRIFT = 0.10  # of the height, the middle line's: about a third of the width of a long chromosome
_STEEPEST = 0.15  # columns per row at a cut: a row then leaves the square cut by less than 9 degrees
_ABOUT = 1  # rows to either side of a border: of several cuts one joins better
_WEAKEST = 0.2  # of the strongest border between two bands: below it is grain
# What two edges may differ by, so that no step or seam is seen where they are joined.
_WIDTH = 0.15  # of the broader one's width
_GRAY = 30.0  # gray values of 255, on average over the width
# Of the greater one's change of gray per row. What grows dark towards the join must grow darker beyond it: two edges of
# light bands, gray as they are, would make a thin dark line.
_CHANGE = 0.8
_FLAT = 4.0  # gray values per row: below it two edges are within a band
_KINK = 0.15  # columns per row between the two middle lines: 9 degrees


class Axis(NamedTuple):
    """A chromosome row by row."""

    chromosome: Chromosome  # trimmed to its mask
    place: int  # its index in the cell
    middles: np.ndarray  # column of the middle of each row, float64, shape (rows,)
    grays: np.ndarray  # smoothed mean gray value of each row, float64, shape (rows,), 0 to 255
    # of each row its width in pixels, the smoothed growth of the gray value and of the middle's column to the next row,
    # and the gray values at `COLUMNS` places from left to right, float64, shape (rows, 3 + COLUMNS)
    edges: np.ndarray
    # rows at which a dark band meets a light one, give or take a row, ascending; a cut at row r parts r - 1 from r.
    # None is in a tip, at the centromere or where the chromosome leans
    cuts: list[int]
    centromere: float  # its row, by the mean position in human chromosomes, float

    @property
    def rows(self) -> int:
        """Of the whole chromosome."""
        return len(self.middles)


def measure(chromosome: Chromosome, place: int = 0) -> Axis | None:
    """Measure a chromosome along its rows.

    None where it is not fit to be cut: of a small class or few pixels, broad, bent or leaning, or with rows beyond the
    tips that its mask does not cross in one run.
    """
    chromosome = trim(chromosome)
    mask = chromosome.mask
    rows = len(mask)
    tip = tip_rows(rows)
    runs = (np.diff(mask.astype(np.int8), axis=1, prepend=0) == 1).sum(axis=1)
    in_one_run = (runs[tip:-tip] == 1).all() and (runs >= 1).all()
    if chromosome.label not in FIT_CLASSES or rows < _LEAST_ROWS or not in_one_run:
        return None
    widths = mask.sum(axis=1)
    middles = (mask * np.arange(mask.shape[1])).sum(axis=1) / widths
    line = scipy.ndimage.gaussian_filter1d(middles, 0.03 * rows, mode="nearest")
    if rows < _LEAST_ASPECT * np.median(widths) or np.ptp(line) > _MOST_DRIFT * rows:
        return None
    slopes = scipy.signal.savgol_filter(middles, _odd(0.15 * rows), 1, deriv=1)
    means = np.where(mask, chromosome.pixels, 0).sum(axis=1) / widths
    changes = scipy.signal.savgol_filter(means, _odd(0.06 * rows), 2, deriv=1)
    left = mask.argmax(axis=1)
    right = mask.shape[1] - 1 - mask[:, ::-1].argmax(axis=1)
    columns = np.linspace(left, right, COLUMNS, axis=1)
    at = [np.broadcast_to(np.arange(rows)[:, None], columns.shape), columns]
    textures = scipy.ndimage.map_coordinates(chromosome.pixels.astype(np.float64), at, order=1)
    edges = np.column_stack([widths, changes, slopes, textures])
    grays = scipy.ndimage.gaussian_filter1d(means, 1.0)
    centromere = IDEOGRAM[chromosome.label].short_arm * rows
    return Axis(chromosome, place, middles, grays, edges, _cuts(changes, slopes, centromere), centromere)


def tip_rows(rows: int) -> int:
    """Return the rows of a tip of a chromosome of so many."""
    return max(2, round(TIP * rows))


def _cuts(changes: np.ndarray, slopes: np.ndarray, centromere: float) -> list[int]:
    """Where the gray value changes fastest along the axis, away from tips and centromere, if it is upright there."""
    rows = len(changes)
    inside = slice(tip_rows(rows), rows - tip_rows(rows))
    change = np.abs(changes)
    peaks, _ = scipy.signal.find_peaks(change, prominence=_WEAKEST * change[inside].max())
    cuts = np.unique(peaks[:, None] + np.arange(-_ABOUT, _ABOUT + 1))
    cuts = cuts[(cuts > inside.start) & (cuts < inside.stop) & (np.abs(cuts - centromere) > CENTROMERE * rows)]
    found: list[int] = cuts[np.abs(slopes[cuts]) <= _STEEPEST].tolist()
    return found


def _odd(rows: float) -> int:
    """The window of a filter: odd, 5 at least."""
    return max(5, 2 * round((rows - 1) / 2) + 1)


class Piece(NamedTuple):
    """Rows ``start`` to ``stop`` (exclusive) of a chromosome, upside down where ``flipped``."""

    source: Axis
    start: int
    stop: int
    flipped: bool = False

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self.stop - self.start

    @property
    def share(self) -> float:
        """Of the length of the chromosome."""
        return self.rows / self.source.rows

    @property
    def sense(self) -> int:
        """-1 where what changes from row to row changes the other way round."""
        return -1 if self.flipped else 1

    @property
    def ends(self) -> tuple[int, int]:
        """Rows of the source that are its upper and its lower edge as it lies."""
        if self.flipped:
            return self.stop - 1, self.start
        return self.start, self.stop - 1


def join(pieces: Sequence[Piece]) -> tuple[np.ndarray, np.ndarray]:
    """Join pieces from top to bottom, shifted so that their middles meet: pixels, uint8 gray (H, W), and mask, bool."""
    offsets = [0]
    for above, below in pairwise(pieces):
        shift = above.source.middles[above.ends[1]] - below.source.middles[below.ends[0]]
        offsets.append(offsets[-1] + int(np.rint(shift)))
    lefts = np.array(offsets) - min(offsets)
    widths = np.array([piece.source.chromosome.mask.shape[1] for piece in pieces])
    rights = (lefts + widths).max() - lefts - widths
    pixels = []
    masks = []
    for piece, left, right in zip(pieces, lefts, rights, strict=True):
        source = piece.source.chromosome
        beside = ((0, 0), (left, right))
        pixels.append(np.pad(source.pixels[piece.start : piece.stop][:: piece.sense], beside, constant_values=GROUND))
        masks.append(np.pad(source.mask[piece.start : piece.stop][:: piece.sense], beside))
    mask = np.concatenate(masks)
    columns = np.flatnonzero(mask.any(axis=0))
    tight = np.s_[:, columns[0] : columns[-1] + 1]
    return np.concatenate(pixels)[tight], mask[tight]


def edge(piece: Piece, row: int) -> np.ndarray:
    """Return what tells whether two edges fit: a row of `Axis.edges`, as the piece lies."""
    signs = np.ones(3 + COLUMNS)
    signs[1:3] = piece.sense
    return np.asarray(piece.source.edges[row] * signs)


def mismatch(pieces: Sequence[Piece]) -> float:
    """How badly the edges of neighbours fit: 0 for edges alike; above 1 a step, a seam or a kink would be seen."""
    worst = 0.0
    for above, below in pairwise(pieces):
        were_neighbours = above.source is below.source and above.stop == below.start
        if not were_neighbours or above.flipped or below.flipped:
            worst = max(worst, float(differences(edge(above, above.ends[1]), edge(below, below.ends[0]))))
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
