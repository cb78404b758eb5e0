"""Flips and rotations by right angles, one of them for each image."""

from collections.abc import Callable
from random import Random

import cv2
import numpy as np

Turn = Callable[[np.ndarray], np.ndarray]

FLIPS: tuple[Turn, ...] = (lambda image: cv2.flip(image, 1), lambda image: cv2.flip(image, 0))
# Counter-clockwise by 90, 180 and 270 degrees; never by 0 (paper 004, 3.1).
ROTATIONS: tuple[Turn, ...] = (
    lambda image: cv2.rotate(image, cv2.ROTATE_90_COUNTERCLOCKWISE),
    lambda image: cv2.rotate(image, cv2.ROTATE_180),
    lambda image: cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE),
)


class RandomTurn:
    """One of the turns with a probability, each as likely as any other.

    What a seed draws is part of the results of earlier runs and of copies made before a split. It is that of
    ``albumentations.OneOf`` with flips of weight 0.2 and a random rotation of weight 0.6, without its cost.

    Args:
        flips: Whether left and right, or top and bottom, may be exchanged.
        rotations: Whether an image may be rotated by 90, 180 or 270 degrees.
        probability: That anything happens.
    """

    def __init__(self, flips: bool, rotations: bool, probability: float) -> None:
        weights = np.array([0.2, 0.2] * flips + [0.6] * rotations)
        self._limits = np.cumsum(weights / weights.sum())
        self._flips = len(FLIPS) * flips  # their number: functions without a name do not reach a loader's processes
        self._probability = probability if flips or rotations else 0.0

    def __call__(self, image: np.ndarray, seed: int) -> np.ndarray:
        """Return the turned image, or the image itself; (H, W, C), uint8; a quarter turn exchanges H and W."""
        if not self._probability or Random(seed).random() >= self._probability:
            return image
        kind = int(np.searchsorted(self._limits, np.random.default_rng(seed).random(), side="right"))
        if kind < self._flips:
            return FLIPS[kind](image)
        return ROTATIONS[Random(seed).randint(0, 2)](image)
