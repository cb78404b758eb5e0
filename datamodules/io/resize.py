"""How images change their size."""

import cv2
import numpy as np


class TooLargeError(ValueError):
    """A chromosome that is larger than the canvas."""


def resize(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resize an image (H, W, 3) to a height and width: averaged where it shrinks, bilinear where it grows."""
    image = np.ascontiguousarray(image)
    # OpenCV's own area enlargement repeats pixels in blocks: a side that shrinks is averaged first.
    image = resized_by(image, (min(image.shape[0], shape[0]), min(image.shape[1], shape[1])), cv2.INTER_AREA)
    return resized_by(image, shape, cv2.INTER_LINEAR)


def resized_by(image: np.ndarray, shape: tuple[int, int], method: int) -> np.ndarray:
    """Resize an image (H, W, 3) to a height and width by one of OpenCV's methods."""
    if image.shape[:2] == shape:
        return image
    return cv2.resize(image, shape[::-1], interpolation=method)
