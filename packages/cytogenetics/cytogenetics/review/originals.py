"""The chromosomes of a cell in the resolution of their files: upright, at one scale."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from cytogenetics.review.cell_bundle import EMPTY, ReviewBundle, ReviewedFile
from datamodules.io.decode import BrokenImageError, decode_image, read_plain_file
from datamodules.preprocessing.background import on_black, to_gray
from datamodules.preprocessing.chromosome_canvas import extent_of, lay_on_canvas
from karyocyte.config.data import PrepareConfig

THRESHOLD = 20  # gray value up to which a pixel is ground, as of task=chromosomes
WIDEST = 30_000  # pixels of the strip of a cell: browsers draw no wider pictures


def has_original(file: ReviewedFile) -> bool:
    """Return whether the file is still there, and known to be upright or upside down."""
    return file.upside_down is not None and Path(file.path).is_file()


def original_chromosomes(bundle: ReviewBundle, stem: str, files: Sequence[ReviewedFile]) -> np.ndarray:
    """Read the chromosomes of a cell, drawn ones last; what is gone or unreadable is enlarged from the bundle.

    Returns:
        uint8 gray on black, shape (n, H, W), each in the middle.
    """
    # The strip is our own: a cell whose chromosomes have one gray is no blank page.
    strip = 255 - np.asarray(cv2.imread(str(bundle.picture(stem)), cv2.IMREAD_GRAYSCALE))
    small = np.split(strip, len(bundle.cell(stem).files), axis=1)
    images: list[np.ndarray] = []
    for number, file in enumerate(files):
        try:
            images.append(_upright(file))
        except (BrokenImageError, OSError, cv2.error, MemoryError):
            images.append(_enlarged(small[number], file.area))
    high, wide = map(int, np.max([image.shape for image in images], axis=0))
    stack = np.zeros((len(images), high, wide), np.uint8)
    for place, image in zip(stack, images, strict=True):
        top, left = (high - image.shape[0]) // 2, (wide - image.shape[1]) // 2
        place[top : top + image.shape[0], left : left + image.shape[1]] = image
    shrink = WIDEST / (len(images) * wide)
    if shrink >= 1:
        return stack
    smaller = (int(wide * shrink), round(high * shrink))
    return np.stack([cv2.resize(image, smaller, interpolation=cv2.INTER_AREA) for image in stack])


def _upright(file: ReviewedFile) -> np.ndarray:
    if not has_original(file):
        raise BrokenImageError("gone")
    image = on_black(decode_image(read_plain_file(Path(file.path)), "detect").pixels)
    extent = extent_of(image, THRESHOLD)
    size = (int(np.ceil(extent.height)) + 2, int(np.ceil(extent.width)) + 2)
    canvas = {"size": size, "crop_threshold": THRESHOLD}
    upright = to_gray(lay_on_canvas(image, PrepareConfig().model_copy(update=canvas), 1.0))
    return upright[::-1, ::-1] if file.upside_down else upright


def _enlarged(small: np.ndarray, area: int) -> np.ndarray:
    """Bring what the network saw to the scale of the files: a chromosome of so many pixels, if that is known."""
    scale = float(np.sqrt(area / max(int(np.count_nonzero(small > EMPTY)), 1))) if area else 1.0
    return cv2.resize(small, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
