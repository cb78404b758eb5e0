"""Which pictures may show one cell: those that are nearest at any angle, of all pairs of pictures."""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import cv2
import numpy as np
from scipy import fft

from datamodules.same_cells.pictures import SIDE, Pictures
from datamodules.same_cells.registration import texture

COARSE = SIDE // 2  # pixels of a picture that is described
ANGLES = 72  # of 5 degrees each
_RADII = 24
_FREQUENCIES = 20  # of the angles: finer ones differ by focus
_AT_ONCE = 64  # pictures that are compared with all others at once


class Candidate(NamedTuple):
    """Two pictures, by their numbers, and the rotation of the second (degrees), after it was mirrored or not."""

    one: int
    other: int
    turn: float
    mirrored: bool


def candidates(pictures: Pictures, nearest: int, classes: np.ndarray | None = None, first: int = 0) -> list[Candidate]:
    """Return the ``nearest`` pictures of each one, by gray values and by texture, mirrored and not; each pair once.

    With ``classes``, of any type, shape (N,), pictures of one class are no candidates. Those of the pictures from
    number ``first`` on are looked for, among all.
    """
    found: dict[tuple[int, int, int, bool], Candidate] = {}
    for textured in (False, True):
        described = _descriptors(pictures, textured)
        for mirrored in (False, True):
            for one, other, turn in _nearest(described, nearest, mirrored, classes, first):
                # From the first picture of a pair to the second it is the other way round, but of a mirrored one.
                angle = turn if mirrored or one > other else -turn % 360
                pair = (min(one, other), max(one, other))
                found.setdefault((*pair, round(angle / 10), mirrored), Candidate(*pair, angle, mirrored))
    return list(found.values())


def _descriptors(pictures: Pictures, textured: bool) -> np.ndarray:
    """Return each picture in polar coordinates, as frequencies of the angle: complex64, (N, _RADII, _FREQUENCIES)."""
    radii = (np.arange(_RADII) + 0.5) / _RADII * (COARSE / 2 - 2)
    angles = np.arange(ANGLES) * 2 * np.pi / ANGLES
    middle = (COARSE - 1) / 2
    x, y = (middle + np.outer(radii, wave).astype(np.float32) for wave in (np.cos(angles), np.sin(angles)))
    weights = np.sqrt(radii)[:, None]  # a pixel further out covers more
    found = np.zeros((len(pictures.green), _RADII, _FREQUENCIES), np.complex64)
    for number, (green, content) in enumerate(zip(pictures.green, pictures.content, strict=True)):
        values, inside = coarser(green, content)
        values = texture(values, inside, 1.0, 6.0) if textured else (values - values[inside].mean()) * inside
        polar = cv2.remap(values, x, y, cv2.INTER_LINEAR) * weights
        norm = np.linalg.norm(polar)
        found[number] = fft.rfft(polar / (norm or 1.0), axis=1)[:, :_FREQUENCIES]
    return found


def coarser(green: np.ndarray, content: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a picture at half its side: float32 values, and the mask of pixels wholly of the cell, bool."""
    size = (COARSE, COARSE)
    small = cv2.resize(green.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    inside = cv2.resize(content.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.99
    return small, inside if inside.any() else np.ones(size, bool)


def _nearest(
    described: np.ndarray, nearest: int, mirrored: bool, classes: np.ndarray | None, first: int
) -> Iterator[tuple[int, int, float]]:
    """Yield each picture's number, that of each of its nearest ones, and its rotation to these, degrees."""
    by_frequency = np.ascontiguousarray(described.transpose(2, 0, 1))
    others = (by_frequency if mirrored else by_frequency.conj()).transpose(0, 2, 1)
    count = len(described)
    for start in range(first, count, _AT_ONCE):
        # The correlation at every rotation, by its Fourier transform: shape (ANGLES, pictures at once, N).
        correlation = fft.irfft(by_frequency[:, start : start + _AT_ONCE] @ others, n=ANGLES, axis=0)
        turns, best = correlation.argmax(axis=0), correlation.max(axis=0)
        here = np.arange(start, start + len(best))
        best[here - start, here] = -np.inf
        if classes is not None:
            best[classes[here][:, None] == classes[None, :]] = -np.inf
        chosen = np.argsort(-best, axis=1, kind="stable")[:, : min(nearest, count - 1)]
        for row, column in product(range(len(best)), range(chosen.shape[1])):
            other = int(chosen[row, column])
            if np.isfinite(best[row, other]):
                yield int(here[row]), other, float(turns[row, other]) * 360 / ANGLES
