"""The ground of an image of chromosomes: light or dark, gray, uneven, framed; it becomes black.

An image whose ground is black or white already, like those of both public sets, is only inverted where it is white.
"""

import math

import cv2
import numpy as np

from datamodules.io.decode import border

_LIGHT = 192  # a border whose median is lighter is light, whatever the image shows
_DARK = 64  # and one that is darker is dark
_BLACK = 8  # up to this gray value a ground is left as it is
_FRAME_SHARE = 0.15  # of a side: lines of one colour that are a frame, at most
_FRAME_STEP = 24  # gray values by which a frame differs from what it frames, at least
_STEPS = 12  # of the fit of the ground; it changes little after eight
_MOST_NOISE = 10.0  # standard deviation of an even ground, in gray values, at most
_GROUND_SHARE = 0.4  # of the border that is ground, at least: so much is left of it around the tightest cuts


def on_black(image: np.ndarray) -> np.ndarray:
    """Make the ground of an image (uint8 RGB, shape (H, W, 3)) black and what it shows light.

    A frame takes the colour of the ground, an image with a light ground is inverted, and an even ground that is still
    gray is subtracted: it is a plane fitted to the border, so it may have a gradient. The rest is stretched, as the
    transmitted light is relative to the light around: ``255 * (value - ground) / (255 - ground)``. A border that is no
    even ground, such as that of a photograph, is left as it is.

    Returns:
        The same array where nothing changes.
    """
    image = _without_frame(image)
    if is_light(image):
        image = 255 - image
    # Where a chromosome touches the border, the ground is the darkest part of it.
    if np.percentile(border(to_gray(image)), 10) <= _BLACK:
        return image
    ground = _fitted_ground(to_gray(image))
    if ground is None:
        return image
    stretched = (image - ground[..., None]) * (255 / np.maximum(255 - ground[..., None], 1))
    return np.asarray(np.clip(np.rint(stretched), 0, 255), np.uint8)


def is_light(image: np.ndarray) -> bool:
    """Tell whether the ground of an image (uint8 RGB, shape (H, W, 3)) is lighter than what it shows.

    Of a border of medium gray the whole image decides, which is darker than a light ground on average.
    """
    gray = to_gray(image)
    level = float(np.median(border(gray)))
    if _DARK <= level <= _LIGHT:
        return float(gray.mean()) < level
    return level > _LIGHT


def to_gray(image: np.ndarray) -> np.ndarray:
    """Return the gray values, uint8, shape (H, W), of an image (uint8 RGB, shape (H, W, 3))."""
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY))


def _without_frame(image: np.ndarray) -> np.ndarray:
    """Paint lines of one colour along the sides that differ from all that they frame, in the colour within."""
    gray = to_gray(image)
    height, width = gray.shape
    top = _frame_lines(gray)
    bottom = _frame_lines(gray[::-1])
    left = _frame_lines(gray.T)
    right = _frame_lines(gray.T[::-1])
    if not any((top, bottom, left, right)):
        return image
    inner = image[top : height - bottom, left : width - right]
    level = np.median(border(inner), axis=0).astype(np.uint8)
    painted = np.empty_like(image)
    painted[:] = level
    painted[top : height - bottom, left : width - right] = inner
    return painted


def _frame_lines(gray: np.ndarray) -> int:
    """Return how many rows at the top of an image (H, W) belong to a frame."""
    most = int(_FRAME_SHARE * len(gray))
    for count in range(1, most + 1):
        if np.ptp(gray[count - 1]) > _BLACK or abs(int(gray[count - 1, 0]) - int(gray[0, 0])) > _BLACK:
            return 0
        # The columns of the frame are in the line below, too, and may be a tenth of it.
        away = np.abs(gray[count].astype(np.int16) - gray[0, 0]) > _FRAME_STEP
        if away.mean() > 0.7:
            return count
    return 0


def _fitted_ground(gray: np.ndarray) -> np.ndarray | None:
    """Fit a plane to the border of an image (H, W) and add twice the noise around it.

    First by asymmetric least squares (Eilers 2004), in which what is lighter than the plane, such as a chromosome that
    touches the border, hardly counts; then by least squares of what is near that plane.

    Returns:
        float64, shape (H, W), within 0 to 255; None where the border is no even ground.
    """
    height, width = gray.shape
    rows, columns = np.mgrid[0:height, 0:width]
    terms = np.stack([np.ones_like(rows), rows / height, columns / width], axis=-1)
    points = border(terms)
    values = border(gray).astype(np.float64)
    weights = np.ones(len(values))
    for _ in range(_STEPS):
        plane = _least_squares(points, values, weights)
        weights = np.where(values > points @ plane, 0.1, 1.0)
    for _ in range(_STEPS):
        offsets = values - points @ plane
        noise = math.sqrt(2 * np.mean(np.minimum(offsets, 0) ** 2))
        near = offsets <= 3 * noise + 1
        plane = _least_squares(points, values, near.astype(np.float64))
    if noise > _MOST_NOISE or near.mean() < _GROUND_SHARE:
        return None
    return np.asarray(np.clip(terms @ plane + 2 * noise, 0, 255))


def _least_squares(points: np.ndarray, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    root = np.sqrt(weights)
    return np.asarray(np.linalg.lstsq(points * root[:, None], values * root, rcond=None)[0])
