"""A handful of numbers of a picture as it is on disk, for the trivial baseline beside every result."""

from math import ceil

import cv2
import numpy as np

NUMBERS = ("area", "side", "mean_red", "mean_green", "mean_blue", "std_red", "std_green", "std_blue", "bytes")
_ROWS = 128  # that mean and deviation are taken from, at most: of 450 they then differ by 0.2 of 255 at most
_CONTRAST = 20  # gray values by which content differs from the ground; JPEG leaves noise of up to about 20


def picture_numbers(pixels: np.ndarray, gray: np.ndarray, ground: float, size: int) -> tuple[float, ...]:
    """Return what `NUMBERS` names: of the content of a picture, and of its file.

    Content is what differs from the ground. A picture without any is content altogether.

    Args:
        pixels: uint8 RGB, shape (H, W, 3).
        gray: Their gray values, uint8, shape (H, W).
        ground: The median gray value of their border.
        size: Of the file in bytes.

    Returns:
        The content's area in pixels and the longer side of its bounding box, mean and standard deviation of its red,
        green and blue (0 to 255), and the size of the file.
    """
    content = cv2.bitwise_not(cv2.inRange(gray, ground - _CONTRAST, ground + _CONTRAST))
    area = cv2.countNonZero(content)
    if not area:
        content[:] = 255
        area = content.size
    left, top, width, height = cv2.boundingRect(content)
    step = ceil(height / _ROWS)
    box = np.s_[top : top + height : step, left : left + width]  # much smaller than most pictures
    mean, deviation = cv2.meanStdDev(pixels[box], mask=content[box])
    return float(area), float(max(width, height)), *mean.ravel().tolist(), *deviation.ravel().tolist(), float(size)
