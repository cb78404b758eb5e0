"""A single chromosome on a canvas that keeps its scale: set upright, scaled alone or with its cell, centred.

Resizing each chromosome to the same square would destroy its length among the others of its cell. So one factor scales
all images, or all chromosomes of one cell: cells differ by how far their chromosomes were condensed when fixed.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd

from datamodules.io.resize import TooLargeError
from datamodules.preprocessing.background import on_black, to_gray
from karyocyte.common.errors import UserError
from karyocyte.config.data import PrepareConfig

WIDTH = 0.49  # of a chromosome, relative to the square root of canvas.area: measured, see docs/results/chromosomes.md
_FINER = 4  # times enlarged where the width is measured


class Extent(NamedTuple):
    """A chromosome in its image."""

    area: int  # pixels that belong to it
    angle: float  # by how much its long axis leans from the vertical, degrees, over -90 to 90; clockwise is positive
    center: tuple[float, float]  # middle of its bounding box once it is upright, (x, y) in pixels of the image
    height: float  # of that bounding box, pixels
    width: float  # of that bounding box, pixels


def extent_of(image: np.ndarray, threshold: int) -> Extent:
    """Find the chromosome, the largest connected patch lighter than ``threshold``, and how it lies.

    The long axis is the first principal axis of its pixels; of the two ways to set it upright the nearer is taken, so
    a chromosome with its short arm up keeps it up.

    The image is uint8 RGB on black, shape (H, W, 3); one without any such pixel counts as a whole.
    """
    rows, columns = np.nonzero(_largest_patch(image, threshold))
    points = np.stack([columns, rows], axis=1).astype(np.float64)
    angle = 0.0
    if len(points) > 2:
        angle = _lean(points)
    # Each coordinate by itself: along the long axis of memory NumPy is ten times faster.
    upright = np.ascontiguousarray((points @ _rotation(angle).T).T)
    low = upright.min(axis=1)
    high = upright.max(axis=1)
    x, y = _rotation(-angle) @ ((low + high) / 2)
    width, height = high - low + 1
    return Extent(len(points), angle, (float(x), float(y)), float(height), float(width))


def width_of(image: np.ndarray, threshold: int) -> float:
    """Measure the width of the chromosome of an image (uint8 RGB on black, shape (H, W, 3)) in pixels.

    It follows from the mean distance d of its pixels from its outline and its area A: a long band of width w has
    d = w / 4, and a band that is not long ``w = 4 d (1 + 8 d^2 / A)``, to first order and with round ends. So it does
    not depend on the angle, and little on bends and on where the chromosome is narrow.
    """
    outline, _ = cv2.findContours(np.pad(_largest_patch(image, threshold), 2), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    height, width = image.shape[:2]
    filled = np.zeros((height + 4, width + 4), np.uint8)
    cv2.drawContours(filled, outline, -1, 255, cv2.FILLED)
    # Enlarged, so that the outline of a small chromosome has no steps.
    fine = cv2.resize(filled, None, fx=_FINER, fy=_FINER, interpolation=cv2.INTER_CUBIC) > 127
    distance = cv2.distanceTransform(fine.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)[fine].mean() / _FINER
    area = np.count_nonzero(fine) / _FINER**2
    return float(4 * distance * (1 + 8 * distance**2 / area))


def equalized_image(image: np.ndarray, threshold: int) -> np.ndarray:
    """Equalise the histogram of the chromosome: each gray value becomes the share of its pixels that are darker.

    So stains, exposures and gammas, which change the gray values but not their order, come out alike.

    Args:
        image: uint8 RGB on black, shape (H, W, 3).
        threshold: Largest gray value of the ground. The chromosome gets those above it, and the rest none of these.

    Returns:
        uint8, shape (H, W).
    """
    gray = to_gray(image)
    if gray.max() <= threshold:
        return gray
    chromosome = _largest_patch(image, threshold) > 0
    counts = np.bincount(gray[chromosome], minlength=256)
    darker = (np.cumsum(counts) - counts / 2) / counts.sum()
    new_values = np.rint(threshold + 1 + (254 - threshold) * darker).astype(np.uint8)
    return np.asarray(np.where(chromosome, new_values[gray], np.minimum(gray, threshold)), np.uint8)


def lay_on_canvas(image: np.ndarray, config: PrepareConfig, scale: float) -> np.ndarray:
    """Set a chromosome, uint8 RGB on black (H, W, 3), upright in the middle of a black canvas of ``config.shape``.

    ``scale`` is in pixels of the canvas per pixel of the image; nan: as the width of the chromosome says.

    Raises:
        TooLargeError: It is larger than the canvas, and ``config.canvas.oversize`` is "stop".
    """
    height, width = config.shape
    gray = equalized_image(image, config.crop_threshold) if config.canvas.equalize else to_gray(image)
    image = cv2.cvtColor(gray, cv2.COLOR_GRAY2RGB)
    extent = extent_of(image, config.crop_threshold)
    if math.isnan(scale):
        scale = WIDTH * math.sqrt(config.canvas.area) / width_of(image, config.crop_threshold)
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
    return cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR)


def scales(areas: np.ndarray, cells: np.ndarray, config: PrepareConfig) -> np.ndarray:
    """Return by how much each image is scaled, float64, shape (images,).

    ``scale_by: image`` gives all the same, ``canvas.scale``: true scale. ``scale_by: cell`` scales all chromosomes of a
    cell alike, so that they cover ``canvas.area`` pixels of the canvas on average: cells that were fixed at
    different lengths, or photographed at different resolutions, come out alike. ``scale_by: width``, and
    ``unknown_cell: width`` where the cell is not known, give nan: ``lay_on_canvas`` measures the width.

    ``areas`` are the pixels of each chromosome, ``cells`` the cell of each, None where unknown: shape (images,).

    Raises:
        UserError: ``scale_by: cell``, ``unknown_cell: stop`` and an image whose cell is not known.
    """
    if config.canvas.scale_by == "image":
        return np.full(len(areas), config.canvas.scale)
    if config.canvas.scale_by == "width":
        return np.full(len(areas), np.nan)
    number, _ = pd.factorize(cells)
    known = number >= 0
    if config.canvas.unknown_cell == "stop" and not known.all():
        raise UserError(
            f"prepare.canvas.scale_by=cell, but of {int((~known).sum()):,} images the cell is not known: name it "
            "(data.cell_column or data.cell_regex), or set prepare.canvas.unknown_cell=width"
        )
    means = np.bincount(number[known], weights=areas[known]) / np.bincount(number[known])
    factors = np.full(len(areas), np.nan)
    factors[known] = np.sqrt(config.canvas.area / np.maximum(means, 1.0))[number[known]]
    return factors


def image_scales(images: Sequence[np.ndarray], cells: np.ndarray, config: PrepareConfig) -> np.ndarray:
    """Return the `scales` of images (uint8 RGB, shape (H, W, 3)) that are still to be prepared."""
    areas = np.zeros(len(images))
    if config.scales_by_cell:
        areas = np.array([float(area_in(image, config)) for image in images])
    return scales(areas, cells, config)


def _largest_patch(image: np.ndarray, threshold: int) -> np.ndarray:
    """Return 1 where the largest patch lighter than ``threshold`` is, uint8, shape (H, W); everywhere without any."""
    mask = (to_gray(image) > threshold).astype(np.uint8)
    count, patches, facts, _ = cv2.connectedComponentsWithStats(mask)
    if count == 1:
        return np.ones_like(mask)
    largest = patches == 1 + int(np.argmax(facts[1:, cv2.CC_STAT_AREA]))
    return np.asarray(largest, np.uint8)


def _lean(points: np.ndarray) -> float:
    """The angle of the first principal axis of points (N, 2) from the vertical, degrees, over -90 to 90."""
    centred = points - np.ascontiguousarray(points.T).mean(axis=1)  # sums of integers: exact in any order
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


def area_in(image: np.ndarray, config: PrepareConfig) -> int:
    """Return the pixels of the chromosome of an image (uint8 RGB, shape (H, W, 3)) that is still to be prepared."""
    if config.background == "detect":
        image = on_black(image)
    return int(np.count_nonzero(_largest_patch(image, config.crop_threshold)))
