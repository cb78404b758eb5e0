"""Closing the empty gaps of a whole karyogram (paper 001, section 5.3: its future work).

Most of such a sheet is ground. Closing the gaps between its rows and between its pairs leaves more of the network's few
pixels to the chromosomes. An empty place, where a pair is missing, is closed as well: what stands where is then told by
order and labels alone.
"""

import cv2
import numpy as np

from datamodules.io.decode import border

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

    Rows of the sheet are separated by three empty rows of pixels or more. A row of less than 2/5 of the height of the
    one above it counts as its labels and moves with it. The rows are laid flush left, on the ground of the sheet (the
    median of its border). A pixel is ink where a channel differs from the ground by more than 32 gray values. Ruled
    lines, over a quarter of the width or half of the height and at most 6 pixels thick, do not keep a gap open: they
    are shortened with it. Every other inked pixel is kept, and a second time changes nothing.

    Args:
        image: uint8 RGB, shape (H, W, 3), on a ground of whatever colour.
        gap: Pixels of the image, at least 1.

    Returns:
        uint8 RGB, shape (h, w, 3) with h <= H and w <= W; the image itself where it has no ink.
    """
    return _lay_out(image, _kept(image, gap), _ground(image))


def compact_like(mask: np.ndarray, image: np.ndarray, gap: int) -> np.ndarray:
    """Move what is marked on a karyogram as ``compact(image, gap)`` moves the karyogram.

    Args:
        mask: uint8, shape (H, W); 0 where nothing is marked.
        image: uint8 RGB, shape (H, W, 3).
        gap: See ``compact``.

    Returns:
        uint8, of the height and width of the compacted image; 0 where that has no pixel of the image's.
    """
    return _lay_out(mask, _kept(image, gap), np.zeros((), np.uint8))


def _ground(image: np.ndarray) -> np.ndarray:
    """The median of the border, uint8, shape (3,)."""
    return np.asarray(np.median(border(image), axis=0), np.uint8)


def _kept(image: np.ndarray, gap: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The pixel rows and columns that are kept of each row of chromosomes and its labels; empty without ink."""
    ink = _ink(image)
    if not ink.any():
        return []
    groups: list[list[tuple[int, int, int]]] = []
    for run in _runs(np.asarray(ink.any(axis=1)), gap):
        if groups and run[0] < _LABELS * groups[-1][0][0]:
            groups[-1].append(run)
        else:
            groups.append([run])
    kept = []
    for group in groups:
        rows = np.concatenate([np.arange(first, end) for _, first, end in group])
        runs = _runs(np.asarray(ink[rows].any(axis=0)), gap)
        kept.append((rows, np.concatenate([np.arange(first, end) for _, first, end in runs])))
    return kept


def _lay_out(image: np.ndarray, kept: list[tuple[np.ndarray, np.ndarray]], ground: np.ndarray) -> np.ndarray:
    """Arrange what is kept, row below row, flush left; the image itself where there was no ink."""
    if not kept:
        return image
    width = max(len(columns) for _, columns in kept)
    sheet = np.full((sum(len(rows) for rows, _ in kept), width, *image.shape[2:]), ground, np.uint8)
    top = 0
    for rows, columns in kept:
        sheet[top : top + len(rows), : len(columns)] = image[np.ix_(rows, columns)]
        top += len(rows)
    return sheet


def _ink(image: np.ndarray) -> np.ndarray:
    """Where ink is that keeps a gap open, bool, shape (H, W): ruled lines, and what blurs around them, are left out."""
    ink = (np.abs(image.astype(np.int16) - _ground(image)) > _TOLERANCE).any(axis=2).astype(np.uint8)
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


def _runs(occupied: np.ndarray, gap: int) -> list[tuple[int, int, int]]:
    """The runs of ink: length of the ink, and first and end of it with up to ``gap`` empty pixels around."""
    places = np.flatnonzero(occupied)
    holes = np.diff(places) - 1
    cuts = np.flatnonzero(holes >= min(_PARTED, gap + 1))
    first = places[[0, *(cuts + 1)]]
    end = places[[*cuts, -1]] + 1
    kept = np.minimum(holes[cuts], gap)
    before = np.concatenate([[min(gap, first[0])], kept // 2])
    behind = np.concatenate([kept - kept // 2, [min(gap, len(occupied) - end[-1])]])
    return list(zip((end - first).tolist(), (first - before).tolist(), (end + behind).tolist(), strict=True))
