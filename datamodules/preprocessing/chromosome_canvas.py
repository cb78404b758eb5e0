"""A single chromosome on a canvas that keeps its scale: set upright, scaled alone or with its cell, centred.

Resizing each chromosome to the same square would destroy its length among the others of its cell. So one factor scales
all images, or all chromosomes of one cell: cells differ by how far their chromosomes were condensed when fixed.
"""

import math
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd

from common.config.data import PrepareConfig
from common.errors import UserError
from datamodules.io.decode import border

# For "area" in warpAffine, which knows no area averaging: linear serves, since scales stay near 1.
INTERPOLATIONS = {
    "area": cv2.INTER_LINEAR,
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "nearest": cv2.INTER_NEAREST,
}


class TooLargeError(ValueError):
    """A chromosome that is larger than the canvas."""


class Extent(NamedTuple):
    """A chromosome in its image."""

    area: int  # pixels that belong to it
    angle: float  # by how much its long axis leans from the vertical, degrees, over -90 to 90; clockwise is positive
    center: tuple[float, float]  # middle of its bounding box once it is upright, (x, y) in pixels of the image
    height: float  # of that bounding box, pixels
    width: float  # of that bounding box, pixels


def on_black(image: np.ndarray) -> np.ndarray:
    """Invert an image (uint8 RGB, shape (H, W, 3)) whose border is mostly light: its median gray exceeds 127."""
    gray = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    if np.median(border(gray)) > 127:
        return 255 - image
    return image


def extent_of(image: np.ndarray, threshold: int, align: bool) -> Extent:
    """Find the chromosome, the largest connected patch lighter than ``threshold``, and how it lies.

    The long axis is the first principal axis of its pixels; of the two ways to set it upright the nearer is taken, so
    a chromosome with its short arm up keeps it up.

    Args:
        image: uint8 RGB on black, shape (H, W, 3).
        threshold: Gray value, 0 to 254, up to which a pixel is ground.
        align: False leaves it as it lies: the angle is 0.

    Returns:
        Its extent; an image without any such pixel counts as a whole.
    """
    mask = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY) > threshold
    count, patches, facts, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count > 1:
        mask = patches == 1 + int(np.argmax(facts[1:, cv2.CC_STAT_AREA]))
    rows, columns = np.nonzero(mask if count > 1 else np.ones_like(mask))
    points = np.stack([columns, rows], axis=1).astype(np.float64)
    angle = _lean(points) if align and len(points) > 2 else 0.0
    upright = points @ _rotation(angle).T
    low = upright.min(axis=0)
    high = upright.max(axis=0)
    x, y = _rotation(-angle) @ ((low + high) / 2)
    width, height = high - low + 1
    return Extent(len(points), angle, (float(x), float(y)), float(height), float(width))


def lay_on_canvas(image: np.ndarray, config: PrepareConfig, scale: float) -> np.ndarray:
    """Set a chromosome, uint8 RGB on black (H, W, 3), upright in the middle of a black canvas of ``config.shape``.

    Args:
        image: The chromosome.
        config: Its ``shape``, ``canvas``, ``crop_threshold`` and ``interpolation`` count.
        scale: Pixels of the canvas per pixel of the image.

    Raises:
        TooLargeError: It is larger than the canvas, and ``config.canvas.oversize`` is "stop".
    """
    height, width = config.shape
    extent = extent_of(image, config.crop_threshold, config.canvas.align)
    fits = min(height / extent.height, width / extent.width)
    if scale > fits:
        if config.canvas.oversize == "stop":
            size = f"{extent.height * scale:.0f}x{extent.width * scale:.0f} px"
            raise TooLargeError(f"the chromosome is {size} at this scale, the canvas {height}x{width}")
        scale = fits
    turn = scale * _rotation(extent.angle)
    # The middle of a canvas of n pixels lies between the pixels, at (n - 1) / 2.
    shift = np.array([(width - 1) / 2, (height - 1) / 2]) - turn @ np.array(extent.center)
    matrix = np.hstack([turn, shift[:, None]])
    method = INTERPOLATIONS[config.interpolation]
    return cv2.warpAffine(np.ascontiguousarray(image), matrix, (width, height), flags=method)


def scales(areas: np.ndarray, cells: np.ndarray, config: PrepareConfig) -> np.ndarray:
    """Return by how much each image is scaled, float64, shape (images,).

    ``scale_by: image`` gives all the same, ``canvas.scale``: true scale. ``scale_by: cell`` scales all chromosomes of a
    cell alike, so that they cover ``canvas.area`` pixels of the canvas on average: cells that were fixed at
    different lengths, or photographed at different resolutions, come out alike.

    Args:
        areas: Pixels of each chromosome, shape (images,).
        cells: The cell of each, str, or None where unknown, shape (images,).
        config: Its ``canvas`` is used.

    Raises:
        UserError: ``scale_by: cell`` and an image whose cell is not known.
    """
    if config.canvas.scale_by == "image":
        return np.full(len(areas), config.canvas.scale)
    number, _ = pd.factorize(cells)
    unknown = int((number < 0).sum())
    if unknown:
        raise UserError(
            f"prepare.canvas.scale_by=cell, but of {unknown:,} images the cell is not known: "
            "name it (data.cell_column or data.cell_regex), or set prepare.canvas.scale_by=image"
        )
    means = np.bincount(number, weights=areas) / np.bincount(number)
    return np.asarray(np.sqrt(config.canvas.area / np.maximum(means, 1.0))[number])


def _lean(points: np.ndarray) -> float:
    """The angle of the first principal axis of points (N, 2) from the vertical, degrees, over -90 to 90."""
    centred = points - points.mean(axis=0)
    x, y = np.linalg.eigh(centred.T @ centred)[1][:, 1]
    if y < 0 or (y == 0 and x > 0):
        x = -x
        y = -y
    # In an image y grows downwards: an axis that goes down and to the left leans clockwise.
    return math.degrees(math.atan2(-x, y))


def _rotation(angle: float) -> np.ndarray:
    """The matrix (2, 2) that turns (x, y), y downwards, by ``angle`` degrees against the clock: it undoes a lean."""
    cosine = math.cos(math.radians(angle))
    sine = math.sin(math.radians(angle))
    return np.array([[cosine, sine], [-sine, cosine]])
