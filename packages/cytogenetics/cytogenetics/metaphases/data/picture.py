"""A picture of a metaphase as the networks see it."""

import cv2
import numpy as np

from datamodules.preprocessing.background import on_black


def network_picture(image: np.ndarray, scale: float) -> np.ndarray:
    """Scale a picture (uint8 RGB, shape (H, W, 3)) and return it gray, bright on black, uint8, shape (h, w)."""
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    # By factors, not to a size, which is rounded: boxes are then scaled exactly.
    scaled = cv2.resize(image, None, fx=scale, fy=scale, interpolation=method)
    return np.ascontiguousarray(cv2.cvtColor(on_black(scaled), cv2.COLOR_RGB2GRAY))
