"""The magnification of a picture: chromosomes are found at about the size that they have in training.

Detectors see chromosomes of half the size badly: of twelve pictures of another laboratory, whose boxes have a median
side of 29 to 57 pixels, 0.64 of the chromosomes were found as they are, and 0.85 at the usual size.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from cytogenetics.metaphases.data.cut_out import network_picture, objects_in

USUAL = 84.0  # pixels, the median of the longer sides of the boxes in the median picture of 3,927
OFF = 1.3  # times larger or smaller, from where on a picture is scaled: 98 % of these pictures are within
FAR = 1.6  # times, from where on the sides of its objects make a second size worth a look
RANGE = (0.25, 4.0)  # of the scales
COUNT = 46  # chromosomes: of two sizes the one counts at which about as many are found
FEWEST = 10  # boxes whose sides tell a size
LOOKS = 2  # more, each at the size that the boxes of the one before tell

Find = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, eq=False)
class Look:
    """A picture at a scale, and what is found in it."""

    scale: float  # times its own size
    image: np.ndarray  # uint8 RGB, shape (H, W, 3)
    boxes: np.ndarray  # in pixels of ``image``, float32, shape (n, 4)
    probabilities: np.ndarray  # that each holds a chromosome, float64, shape (n,)

    @property
    def sure(self) -> np.ndarray:
        """The boxes that hold a chromosome rather than not."""
        return self.boxes[self.probabilities > 0.5]

    @property
    def factor(self) -> float:
        """How many times larger its chromosomes would be of the usual size; 1 where too few are found."""
        return _factor(self.sure) if len(self.sure) >= FEWEST else 1.0


def look_at_usual_size(image: np.ndarray, find: Find, most_side: int) -> Look:
    """Find chromosomes in a picture, uint8 RGB, (H, W, 3), which is scaled where they are far from the usual size.

    ``find`` returns boxes and probabilities, as `BoxFinder.find`; no side of a scaled picture exceeds ``most_side``.
    """
    best = _look(image, 1.0, find)
    guess = _limited(_factor_of_objects(image), image, most_side)
    if _is_beyond(guess, FAR):
        best = min(best, _look(image, guess, find), key=_strangeness)
    for _ in range(LOOKS):
        scale = _limited(best.scale * best.factor, image, most_side)
        if not _is_beyond(scale / best.scale, OFF):
            break
        best = _look(image, scale, find)
    return best


def _strangeness(look: Look) -> tuple[int, float]:
    """Return how far the number of chromosomes, and then their size, are from what is usual."""
    return abs(len(look.sure) - COUNT), abs(float(np.log(look.factor)))


def _look(image: np.ndarray, scale: float, find: Find) -> Look:
    if scale != 1:
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=method)
    return Look(scale, image, *find(image))


def _factor(boxes: np.ndarray) -> float:
    return float(USUAL / np.median((boxes[:, 2:] - boxes[:, :2]).max(axis=1)))


def _factor_of_objects(image: np.ndarray) -> float:
    """Return the same by the objects that differ from the ground, without specks; 1 of a picture without any."""
    labels, objects = objects_in(network_picture(image, 1.0))
    _, _, facts, _ = cv2.connectedComponentsWithStats((np.isin(labels, objects) & (labels > 0)).astype(np.uint8))
    areas = facts[1:, cv2.CC_STAT_AREA]
    if not len(areas):
        return 1.0
    corner, size = facts[1:, :2], facts[1:, 2:4]
    # Chromosomes are the large objects; a tenth of their area is dirt.
    large = areas >= 0.1 * np.median(areas[areas >= 0.2 * areas.max()])
    return _factor(np.hstack([corner, corner + size])[large])


def _limited(scale: float, image: np.ndarray, most_side: int) -> float:
    return float(np.clip(scale, RANGE[0], min(RANGE[1], most_side / max(image.shape[:2]))))


def _is_beyond(factor: float, times: float) -> bool:
    return not 1 / times <= factor <= times
