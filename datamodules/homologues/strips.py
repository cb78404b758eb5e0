"""Chromosomes straightened along their axes: a strip whose rows are cross sections, from the short arm's end down."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import scipy
import torch

SMOOTHING = 0.06  # of the length: standard deviation of the Gaussian that smooths the middle line
SLOPE_WINDOW = 0.25  # of the length: over which the direction of the axis is measured


@dataclass(frozen=True)
class Strips:
    """Straightened chromosomes of one size; each begins in the first row, with its axis in the middle column.

    Attributes:
        rows: Their manifest rows, int64, ascending, shape (N,).
        pixels: uint8, bright on black, shape (N, H, W).
        length: Rows that each covers, float32, shape (N,).
        half_width: Half the width of each row in pixels, float32, shape (N, H); at least 1, also beyond the end.
        centromere: Its row by the mean position in human chromosomes, float32, shape (N,).
    """

    rows: torch.Tensor
    pixels: torch.Tensor
    length: torch.Tensor
    half_width: torch.Tensor
    centromere: torch.Tensor

    @classmethod
    def load(
        cls, image_of: Callable[[int], np.ndarray], rows: np.ndarray, short_arms: np.ndarray, width: int, threshold: int
    ) -> "Strips":
        """Straighten the chromosomes of some manifest rows.

        Args:
            image_of: Returns the prepared image of a row: a chromosome, upright on a black canvas, uint8 (H, W, 3).
            rows: Manifest rows, ascending, int64, shape (N,).
            short_arms: The share of the short arm in the length of each, shape (N,).
            width: Of the strips, in pixels.
            threshold: Gray value up to which a pixel is ground.
        """
        strips = [straighten(image_of(int(row))[..., 0], width, threshold) for row in rows]
        pixels = torch.from_numpy(np.stack([strip for strip, _ in strips]))
        length = torch.tensor([float(rows) for _, rows in strips])
        half_width = torch.from_numpy(np.stack([half_widths(strip, threshold) for strip, _ in strips]))
        return cls(torch.from_numpy(rows), pixels, length, half_width, length * torch.from_numpy(short_arms).float())

    def to(self, device: torch.device) -> "Strips":
        """Return the strips on a device: these themselves, where they are there."""
        if self.pixels.device == device:
            return self
        return replace(self, **{name: values.to(device) for name, values in vars(self).items()})

    def positions(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the positions of manifest rows, each of which must be there, int64, of the shape of ``rows``."""
        return torch.searchsorted(self.rows, rows)


def straighten(image: np.ndarray, width: int, threshold: int) -> tuple[np.ndarray, int]:
    """Straighten a chromosome by sampling it along normals to its axis.

    The axis is the smoothed middle line of its rows, so it must be roughly upright.

    Args:
        image: Bright on black, uint8, shape (H, W).
        width: Of the strip.
        threshold: Gray value up to which a pixel is ground.

    Returns:
        The strip, uint8, shape (H, width), and the number of its rows that the chromosome covers, at most H.
    """
    height = len(image)
    mask = image > threshold
    inside = np.flatnonzero(mask.any(axis=1))
    if len(inside) < 2:
        return np.zeros((height, width), np.uint8), 0
    top, bottom = inside[0], inside[-1] + 1
    x, y, slope = _axis(mask[top:bottom])
    # Steps of one pixel along the axis.
    along = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    rows = min(round(along[-1]) + 1, height)
    at = np.interp(np.arange(rows), along, np.arange(len(y)))
    x, y, slope = (np.interp(at, np.arange(len(values)), values) for values in (x, y, slope))
    normal = np.hypot(1.0, slope)
    offsets = np.arange(width) - (width - 1) / 2
    map_x = x[:, None] + offsets / normal[:, None]
    map_y = (y + top)[:, None] - offsets * (slope / normal)[:, None]
    strip = np.zeros((height, width), np.uint8)
    strip[:rows] = cv2.remap(image, map_x.astype(np.float32), map_y.astype(np.float32), cv2.INTER_CUBIC)
    return strip, rows


def _axis(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return column, row and slope (columns per row) of the middle line, float64, shape (rows,), of a mask."""
    rows = len(mask)
    covered = mask.any(axis=1)
    counts = np.maximum(mask.sum(axis=1), 1)
    middles = (mask * np.arange(mask.shape[1])).sum(axis=1) / counts
    middles = np.interp(np.arange(rows), np.flatnonzero(covered), middles[covered])
    line = scipy.ndimage.gaussian_filter1d(middles, max(SMOOTHING * rows, 1.0), mode="nearest")
    window = max(5, 2 * round(SLOPE_WINDOW * rows / 2) + 1)
    slope = scipy.ndimage.gaussian_filter1d(np.gradient(line), window / 6, mode="nearest")
    return line, np.arange(rows, dtype=np.float64), slope


def half_widths(strip: np.ndarray, threshold: int) -> np.ndarray:
    """Return half the width of each row of a strip, smoothed over three rows, float32, shape (H,), 1 at least."""
    widths = (strip > threshold).sum(axis=1).astype(np.float32) / 2
    smooth = cv2.blur(widths[:, None], (1, 3))[:, 0]
    return np.asarray(np.maximum(smooth, 1.0))
