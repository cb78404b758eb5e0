"""The deterministic preparation of an image: crop, CLAHE, pad, resize (paper 004, section 3.1), or a canvas."""

import cv2
import numpy as np

from common.schema import PrepareConfig
from datamodules.canvas import lay_on_canvas, on_black

PREPARE_VERSION = 2  # raise it when the same image and settings would come out differently: old caches are then unused

_INTERPOLATIONS = {
    "area": cv2.INTER_AREA,
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "nearest": cv2.INTER_NEAREST,
}


def prepare_image(image: np.ndarray, config: PrepareConfig, scale: float = 1.0) -> np.ndarray:
    """Crop, enhance, pad and resize one image, in this order; or lay a chromosome on a canvas.

    CLAHE comes after the crop and before the padding: it lifts black to a dark gray, so before the crop it would hide
    the border of the cell, and after the padding it would colour the padding.

    Args:
        image: uint8 RGB, shape (H, W, 3).
        config: The settings.
        scale: Pixels of the canvas per pixel of the image; counts with ``fit: canvas`` alone (`canvas.scales`).

    Returns:
        uint8 RGB, of the height and width of ``config.shape``.

    Raises:
        TooLargeError: A chromosome is larger than the canvas.
    """
    if config.background == "detect":
        image = on_black(image)
    if config.fit == "canvas":
        return lay_on_canvas(image, config, scale)
    if config.crop:
        image = crop_to_content(image, config.crop_threshold)
    if config.clahe:
        image = equalize_luma(image, config.clahe_clip_limit, config.clahe_tiles)
    return resize(pad_to_square(image), config.shape[0], config.interpolation)


def crop_to_content(image: np.ndarray, threshold: int) -> np.ndarray:
    """Cut away the black border: keep the bounding box of the pixels whose gray value exceeds ``threshold``.

    Gray is 0.299 R + 0.587 G + 0.114 B, rounded (paper 004, section 3.1: gray threshold). An image without any such
    pixel stays whole.

    Args:
        image: uint8 RGB, shape (H, W, 3).
        threshold: 0 to 254.

    Returns:
        A view of the image, uint8 RGB, shape (h, w, 3).
    """
    mask = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) > threshold
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return image
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def equalize_luma(image: np.ndarray, clip_limit: float, tiles: int) -> np.ndarray:
    """Equalise contrast locally (CLAHE) on the Y channel of YUV; the colours U and V stay (paper 004, section 3.1).

    Args:
        image: uint8 RGB, shape (H, W, 3).
        clip_limit: OpenCV's clip limit; larger is stronger.
        tiles: Tiles per side.

    Returns:
        uint8 RGB, shape (H, W, 3).
    """
    yuv = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2YUV)
    yuv[..., 0] = cv2.createCLAHE(clip_limit, (tiles, tiles)).apply(yuv[..., 0])
    return cv2.cvtColor(yuv, cv2.COLOR_YUV2RGB)


def pad_to_square(image: np.ndarray) -> np.ndarray:
    """Pad the shorter side with black, the image in the middle (paper 004, section 3.1).

    Of an odd number of black rows or columns one more is below or on the right.

    Args:
        image: uint8 RGB, shape (H, W, 3).

    Returns:
        uint8 RGB, shape (S, S, 3) with S = max(H, W).
    """
    height, width = image.shape[:2]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    square = np.zeros((side, side, 3), np.uint8)
    square[top : top + height, left : left + width] = image
    return square


def resize(image: np.ndarray, size: int, interpolation: str) -> np.ndarray:
    """Resize a square image. "area" averages where it shrinks; where it enlarges, it is bilinear.

    Args:
        image: uint8 RGB, shape (S, S, 3).
        size: The new side.
        interpolation: "area", "bilinear", "bicubic" or "nearest".

    Returns:
        uint8 RGB, shape (size, size, 3).
    """
    if image.shape[0] == size:
        return np.ascontiguousarray(image)
    method = _INTERPOLATIONS[interpolation]
    if method == cv2.INTER_AREA and image.shape[0] < size:
        # OpenCV's own area enlargement repeats pixels in blocks.
        method = cv2.INTER_LINEAR
    return cv2.resize(image, (size, size), interpolation=method)
