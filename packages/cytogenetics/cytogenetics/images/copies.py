"""How alike two pictures of chromosomes are, in any orientation and at any scale: copies of one are nearly equal."""

from collections.abc import Sequence

import numpy as np

from cytogenetics.images.cell_images import LOOK, CellFile, gray_of, look_through
from karyocyte.config.data import PrepareConfig

REACH = 2.2  # standard deviations of the brightness that it shows on both sides of the middle
TURNS = range(-12, 13, 4)  # degrees around the longer axis, which is not sure of a short chromosome
# Correlation from which on two pictures may be of one chromosome. So alike are all of 657 turned copies, 99 % of 657
# that were cut more tightly, turned and enlarged, and 15 % of 631 pairs of homologues (0 and 30 % in two laboratories).
ALIKE = 0.95


def likeness(files: Sequence[CellFile], config: PrepareConfig) -> np.ndarray:
    """Return how alike the pictures of used files are: the highest correlation over turns, mirror images and scales.

    float32, shape (n, n); 0 of a file with itself.
    """
    grays = [gray_of(file, config) for file in files]
    straight = np.array([_look(gray, 0) for gray in grays]).reshape(len(grays), *LOOK)
    alike = np.full((len(grays), len(grays)), -1.0, np.float32)
    for turn in TURNS:
        turned = np.array([_look(gray, turn) for gray in grays]).reshape(len(grays), *LOOK)
        for view in (turned, turned[:, ::-1], turned[:, :, ::-1], turned[:, ::-1, ::-1]):
            alike = np.maximum(alike, np.einsum("nhw,mhw->nm", straight, view))
    np.fill_diagonal(alike, 0.0)
    return np.maximum(alike, alike.T)


def _look(gray: np.ndarray, turn: float) -> np.ndarray:
    """Return a chromosome with its longer axis along that of LOOK, turned by some degrees, see ``look_through``."""
    y, x = np.nonzero(gray)
    weights = gray[y, x]
    middle = np.array([np.average(x, weights=weights), np.average(y, weights=weights)])
    spreads, axes = np.linalg.eigh(np.cov(x, y, aweights=weights) + 0.25 * np.eye(2))  # of a pixel
    along, across = axes[:, 1], axes[:, 0]
    cosine, sine = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))
    directions = np.stack([cosine * across + sine * along, cosine * along - sine * across], axis=1)
    matrix = directions * (2 * REACH * np.sqrt(spreads) / np.array(LOOK[::-1]))
    start = middle - matrix @ (np.array(LOOK[::-1]) - 1) / 2
    return look_through(gray, np.column_stack([matrix, start]))
