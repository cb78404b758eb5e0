"""Closing the empty gaps of a whole karyogram (paper 001, section 5.3: its future work).

Most of such a sheet is ground. Closing the gaps between its rows and between its pairs leaves more of the network's few
pixels to the chromosomes. An empty place, where a pair is missing, is closed as well: what stands where is then told by
order and labels alone.
"""

from typing import NamedTuple

import cv2
import numpy as np

# Gray values by which ink differs from the ground at least. JPEG leaves up to about 20 around ink.
_TOLERANCE = 32
# A straight run of ink of such a share of the width (height), but of so many pixels at least, and so thin, is a ruled
# line: no chromosome, and no letter of a label, is all of it.
_RULED_WIDTH = 1 / 4
_RULED_HEIGHT = 1 / 2
_RULED_LEAST = 64
_RULED_THIN = 6
_PARTED = 3  # pixels: what is nearer, such as a chromosome and its satellites, is never parted
_LABELS = 0.4  # of the height of the row of chromosomes above them: what is lower are its labels


def compact(image: np.ndarray, gap: int) -> np.ndarray:
    """Cut every empty gap of a karyogram to ``gap`` pixels: first between its rows, then within each row.

    Rows of the sheet are parted where three rows of pixels or more are empty. A row of less than 2/5 of the height of
    the one above it is taken for its labels and moves with it, so that they stay below their chromosomes. The rows
    are laid flush left, on the ground of the sheet (the median of its border). A pixel is ink where a channel
    differs from the ground by more than 32 gray values. Ruled lines, over a quarter of the width or half of the height
    and at most 6 pixels thick, do not keep a gap open: they are shortened with it. Every other inked pixel is kept, and
    a second time changes nothing.

    Args:
        image: uint8 RGB, shape (H, W, 3), on a ground of whatever colour.
        gap: Pixels of the image, at least 1.

    Returns:
        uint8 RGB, shape (h, w, 3) with h <= H and w <= W; the image itself where it has no ink.
    """
    ground = np.median(_border(image), axis=0).astype(np.uint8)
    kept = _kept(image, ground, gap)
    if kept:
        return _laid(image, kept, ground)
    return image


def compact_like(mask: np.ndarray, image: np.ndarray, gap: int) -> np.ndarray:
    """Move what is marked on a karyogram as ``compact(image, gap)`` moves the karyogram.

    Args:
        mask: uint8, shape (H, W); 0 where nothing is marked.
        image: uint8 RGB, shape (H, W, 3).
        gap: See ``compact``.

    Returns:
        uint8, of the height and width of the compacted image; 0 where that has no pixel of the image's.
    """
    kept = _kept(image, np.median(_border(image), axis=0).astype(np.uint8), gap)
    if kept:
        return _laid(mask, kept, np.zeros((), np.uint8))
    return mask


def _kept(image: np.ndarray, ground: np.ndarray, gap: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The pixel rows and columns that are kept of each row of chromosomes; none where there is no ink."""
    ink = _ink(image, ground)
    if not ink.any():
        return []
    kept = []
    for row in _rows(np.asarray(ink.any(axis=1)), gap):
        parts = _parts(np.asarray(ink[row].any(axis=0)), gap)
        kept.append((row, np.concatenate([np.arange(*part.kept) for part in parts])))
    return kept


def _laid(image: np.ndarray, kept: list[tuple[np.ndarray, np.ndarray]], ground: np.ndarray) -> np.ndarray:
    """Lay what is kept out anew, row below row, flush left."""
    width = max(len(columns) for _, columns in kept)
    sheet = np.full((sum(len(row) for row, _ in kept), width, *image.shape[2:]), ground, np.uint8)
    top = 0
    for row, columns in kept:
        sheet[top : top + len(row), : len(columns)] = image[np.ix_(row, columns)]
        top += len(row)
    return sheet


class _Part(NamedTuple):
    """A run of rows or columns with ink, in pixels: how long it is, and what is kept (first, end) with what is around.

    Attributes:
        length: Of the ink.
        kept: The ink and up to ``gap`` empty pixels around.
    """

    length: int
    kept: tuple[int, int]


def _border(image: np.ndarray) -> np.ndarray:
    return np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])


def _ink(image: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """Where ink is that keeps a gap open, bool, shape (H, W): ruled lines, and what blurs around them, are left out."""
    ink = (np.abs(image.astype(np.int16) - ground) > _TOLERANCE).any(axis=2).astype(np.uint8)
    height, width = ink.shape
    across = _ruled(ink, max(_RULED_LEAST, round(width * _RULED_WIDTH)))
    down = _ruled(ink.T, max(_RULED_LEAST, round(height * _RULED_HEIGHT))).T
    return np.asarray((ink & ~across & ~down).astype(bool))


def _ruled(ink: np.ndarray, length: int) -> np.ndarray:
    """Where horizontal lines are, 0 or 1 in uint8; not where they cross a chromosome."""
    ink = np.ascontiguousarray(ink)
    thick = cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones((_RULED_THIN + 1, 1), np.uint8))
    thin = np.bitwise_not(thick)
    lines = cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones((1, length), np.uint8)) & thin
    return np.asarray(cv2.dilate(lines, np.ones((3, 3), np.uint8)) & ink & thin)


def _rows(occupied: np.ndarray, gap: int) -> list[np.ndarray]:
    """The pixel rows that are kept of each row of chromosomes and its labels."""
    rows: list[list[_Part]] = []
    for part in _parts(occupied, gap):
        if rows and part.length < _LABELS * rows[-1][0].length:
            rows[-1].append(part)
        else:
            rows.append([part])
    return [np.concatenate([np.arange(*part.kept) for part in row]) for row in rows]


def _parts(occupied: np.ndarray, gap: int) -> list[_Part]:
    """The runs of ink, with what is kept of the gaps: the pixels beside the ink, for its edge is a soft one."""
    places = np.flatnonzero(occupied)
    holes = np.diff(places) - 1
    cuts = np.flatnonzero(holes >= min(_PARTED, gap + 1))
    first = places[[0, *(cuts + 1)]]
    end = places[[*cuts, -1]] + 1
    kept = np.minimum(holes[cuts], gap)
    before = np.concatenate([[min(gap, first[0])], kept // 2])
    behind = np.concatenate([kept - kept // 2, [min(gap, len(occupied) - end[-1])]])
    ranges = zip((first - before).tolist(), (end + behind).tolist(), strict=True)
    return [_Part(int(length), kept) for length, kept in zip(end - first, ranges, strict=True)]
