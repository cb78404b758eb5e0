"""A chromosome measured along its axis: where it is straight enough to be cut along rows, and where its bands end.

Pieces of chromosomes can be joined without resampling a pixel only if each is cut along a row of its picture, square
to its axis. So a chromosome is fit when it is upright; of some fifty in a cell, enough do.
"""

from typing import NamedTuple

import numpy as np
import scipy

from datamodules.synthesis.ideogram import IDEOGRAM
from datamodules.synthesis.metaphase import Chromosome, trim

TIP = 0.08  # of the length: an end that is rounded, or cleft into its two chromatids, and is never cut
CENTROMERE = 0.05  # of the length, to either side: it varies from cell to cell by about as much
# Groups A to E and X: of F, G and Y the segments would be a few pixels long.
FIT_CLASSES = (*(str(number) for number in range(1, 19)), "X")
COLUMNS = 16  # about the width of a chromosome in pixels
_LEAST_ROWS = 36  # so that a fifth of it is 7 rows at least: a band or two
_LEAST_ASPECT = 2.0  # height by width: below it the two sides are no longer parallel anywhere
_MOST_DRIFT = 0.10  # of the height, the middle line's: about a third of the width of a long chromosome
_STEEPEST = 0.15  # columns per row at a cut: a row then leaves the square cut by less than 9 degrees
_ABOUT = 1  # rows to either side of a border: of several cuts one joins better
_WEAKEST = 0.2  # of the strongest border between two bands: below it is grain


class Axis(NamedTuple):
    """A chromosome row by row.

    Attributes:
        chromosome: Trimmed to its mask.
        place: Its index in the cell.
        widths: Pixels in each row, int64, shape (rows,).
        middles: Column of the middle of each row, float64, shape (rows,).
        slopes: Columns that the smoothed middle line goes to the right per row, float64, shape (rows,).
        grays: Smoothed mean gray value of each row, float64, shape (rows,), 0 to 255.
        changes: By how much the gray value grows per row, smoothed, float64, shape (rows,).
        textures: Each row's gray values at `COLUMNS` places from its left end to its right, float64, shape
            (rows, COLUMNS).
        cuts: Rows at which a dark band meets a light one, give or take a row, ascending; a cut at row r parts r - 1
            from r. None is in a tip, at the centromere or where the chromosome leans.
        centromere: Its row, by the mean position in human chromosomes, float.
    """

    chromosome: Chromosome
    place: int
    widths: np.ndarray
    middles: np.ndarray
    slopes: np.ndarray
    grays: np.ndarray
    changes: np.ndarray
    textures: np.ndarray
    cuts: list[int]
    centromere: float

    @property
    def label(self) -> str:
        """The class of the chromosome."""
        return self.chromosome.label

    @property
    def rows(self) -> int:
        """Of the whole chromosome."""
        return len(self.widths)

    @property
    def tip(self) -> int:
        """Rows of a tip."""
        return _tip_rows(self.rows)


def measure(chromosome: Chromosome, place: int = 0) -> Axis | None:
    """Measure a chromosome along its rows.

    Args:
        chromosome: Upright, short arm up.
        place: Its index in the cell.

    Returns:
        Its axis; None where it is not fit to be cut: of a small class or few pixels, broad, bent or leaning, or with
        rows beyond the tips that its mask does not cross in one run.
    """
    chromosome = trim(chromosome)
    mask = chromosome.mask
    rows = len(mask)
    if chromosome.label not in FIT_CLASSES or rows < _LEAST_ROWS or not _in_one_run(mask):
        return None
    widths = mask.sum(axis=1)
    middles = (mask * np.arange(mask.shape[1])).sum(axis=1) / widths
    line = scipy.ndimage.gaussian_filter1d(middles, 0.03 * rows, mode="nearest")
    if rows < _LEAST_ASPECT * np.median(widths) or np.ptp(line) > _MOST_DRIFT * rows:
        return None
    slopes = scipy.signal.savgol_filter(middles, _odd(0.15 * rows), 1, deriv=1)
    means = np.where(mask, chromosome.pixels, 0).sum(axis=1) / widths
    changes = scipy.signal.savgol_filter(means, _odd(0.06 * rows), 2, deriv=1)
    centromere = IDEOGRAM[chromosome.label].short_arm * rows
    return Axis(
        chromosome=chromosome,
        place=place,
        widths=widths,
        middles=middles,
        slopes=slopes,
        grays=scipy.ndimage.gaussian_filter1d(means, 1.0),
        changes=changes,
        textures=_textures(chromosome),
        cuts=_cuts(changes, slopes, centromere),
        centromere=centromere,
    )


def _tip_rows(rows: int) -> int:
    return max(2, round(TIP * rows))


def _in_one_run(mask: np.ndarray) -> bool:
    tip = _tip_rows(len(mask))
    starts = np.diff(mask.astype(np.int8), axis=1, prepend=0) == 1
    counts = starts.sum(axis=1)
    return bool((counts[tip:-tip] == 1).all() and (counts >= 1).all())


def _textures(chromosome: Chromosome) -> np.ndarray:
    height, width = chromosome.mask.shape
    left = chromosome.mask.argmax(axis=1)
    right = width - 1 - chromosome.mask[:, ::-1].argmax(axis=1)
    columns = np.linspace(left, right, COLUMNS, axis=1)
    rows = np.repeat(np.arange(height)[:, None], COLUMNS, axis=1)
    return np.asarray(scipy.ndimage.map_coordinates(chromosome.pixels.astype(np.float64), [rows, columns], order=1))


def _cuts(changes: np.ndarray, slopes: np.ndarray, centromere: float) -> list[int]:
    """Where the gray value changes fastest along the axis, away from tips and centromere, if it is upright there."""
    rows = len(changes)
    inside = slice(_tip_rows(rows), rows - _tip_rows(rows))
    change = np.abs(changes)
    peaks, _ = scipy.signal.find_peaks(change, prominence=_WEAKEST * change[inside].max())
    cuts = np.unique(peaks[:, None] + np.arange(-_ABOUT, _ABOUT + 1))
    cuts = cuts[(cuts > inside.start) & (cuts < inside.stop) & (np.abs(cuts - centromere) > CENTROMERE * rows)]
    found: list[int] = cuts[np.abs(slopes[cuts]) <= _STEEPEST].tolist()
    return found


def _odd(rows: float) -> int:
    """The window of a filter: odd, 5 at least."""
    return max(5, 2 * round((rows - 1) / 2) + 1)
