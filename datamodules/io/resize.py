"""How images change their size."""

import cv2
import numpy as np


class TooLargeError(ValueError):
    """A chromosome that is larger than the canvas."""


def resize(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resize an image (H, W, 3) to a height and width: averaged where it shrinks, bilinear where it grows."""
    image = np.ascontiguousarray(image)
    # OpenCV's own area enlargement repeats pixels in blocks: a side that shrinks is averaged first.
    width, height = min(image.shape[1], shape[1]), min(image.shape[0], shape[0])
    averaged = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return cv2.resize(averaged, shape[::-1], interpolation=cv2.INTER_LINEAR)
