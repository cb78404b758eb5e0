"""Chromosomes in the resolution of their files: upright, at one scale."""

from collections.abc import Sequence

import cv2
import numpy as np

from cytogenetics.images.chromosome_canvas import extent_of, lay_on_canvas
from datamodules.preprocessing.background import on_black, to_gray
from karyocyte.config.data import PrepareConfig

THRESHOLD = 20  # gray value up to which a pixel is ground, as of task=chromosomes
WIDEST = 30_000  # pixels of the strip of a cell: browsers draw no wider pictures


def upright(image: np.ndarray, upside_down: bool = False) -> np.ndarray:
    """Return the chromosome of an image, uint8 RGB, (H, W, 3), upright and cut tightly: uint8 gray on black."""
    image = on_black(image)
    extent = extent_of(image, THRESHOLD)
    size = (int(np.ceil(extent.height)) + 2, int(np.ceil(extent.width)) + 2)
    canvas = {"size": size, "crop_threshold": THRESHOLD}
    laid = to_gray(lay_on_canvas(image, PrepareConfig().model_copy(update=canvas), 1.0))
    return laid[::-1, ::-1] if upside_down else laid


def strip_of(images: Sequence[np.ndarray]) -> np.ndarray:
    """Return pictures, uint8 gray on black, side by side, each in the middle of as much room: uint8, (H, n * W)."""
    high, wide = map(int, np.max([image.shape for image in images], axis=0))
    shrink = min(WIDEST / (len(images) * wide), 1.0)
    places = []
    for image in images:
        top, left = (high - image.shape[0]) // 2, (wide - image.shape[1]) // 2
        beside = ((top, high - image.shape[0] - top), (left, wide - image.shape[1] - left))
        places.append(cv2.resize(np.pad(image, beside), None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA))
    return np.concatenate(places, axis=1)
