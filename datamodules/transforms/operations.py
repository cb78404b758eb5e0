"""Random changes of an image. They are those of albumentations, which no other module imports.

So another library, such as torchvision.transforms.v2, can take its place here.
"""

import os
from random import Random
from typing import Any
from warnings import catch_warnings

import numpy as np

from karyocyte.config.build import build
from karyocyte.config.data import TransformConfig

# albumentations asks the network for a newer version on every import, and waits where there is none.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
import albumentations as A  # noqa: E402

Operation = Any  # of albumentations, which has no types


class Pipeline:
    """Changes an image by some operations, one after the other: a pure function of a seed.

    Args:
        operations: The changes, in their order.
        boxes: Where "bboxes" (left, top, right, bottom) with "labels" move along, the share of one that must stay
            within the image: with less it is dropped.
        points: Whether "keypoints" (x, y) move along.
    """

    def __init__(self, operations: list[Operation], boxes: float | None = None, points: bool = False) -> None:
        marks: dict[str, Any] = {}
        if boxes is not None:
            marks["bbox_params"] = A.BboxParams("pascal_voc", label_fields=["labels"], clip=True, min_visibility=boxes)
        if points:
            marks["keypoint_params"] = A.KeypointParams("xy", remove_invisible=False)
        self._compose = A.Compose(operations, **marks)

    def __call__(self, seed: int, image: np.ndarray, **marks: np.ndarray) -> dict[str, Any]:
        """Return the changed "image", uint8, shape (H, W) or (H, W, 3), and the marks that move along."""
        # One source of numbers for all: seeded alike, each operation would draw the same.
        self._compose.set_random_state(np.random.default_rng(seed), Random(seed))
        done: dict[str, Any] = self._compose(image=image, **marks)
        return done


class QuarterTurn(A.RandomRotate90):  # type: ignore[misc]
    """Rotates by 90, 180 or 270 degrees, never by 0 (paper 004, 3.1)."""

    def get_params(self) -> dict[str, int]:
        """Draw the number of quarter turns."""
        return {"factor": self.py_random.randint(1, 3)}


def turns(config: TransformConfig, probability: float) -> list[Operation]:
    """Return the operation that flips or rotates with a probability, each of the ways as likely as any other."""
    ways = [A.HorizontalFlip(p=0.2), A.VerticalFlip(p=0.2)] * config.flips + [QuarterTurn(p=0.6)] * config.rotations
    return [A.OneOf(ways, p=probability)] if ways else []


def orientations(config: TransformConfig) -> list[Operation]:
    """Return the operations that give all orientations of an image that flips and rotations lead to, also its own."""
    if config.flips and config.rotations:
        return [A.D4(p=config.probability)]
    if config.rotations:
        return [A.RandomRotate90(p=config.probability)]
    if config.flips:
        return [A.HorizontalFlip(p=config.probability), A.VerticalFlip(p=config.probability)]
    return [A.NoOp()]  # albumentations warns of boxes that nothing moves


def chosen_operations(config: TransformConfig) -> list[Operation]:
    """Return the operations that have a strength, in their order, and after them those of a user's own."""
    own = [own_operation(f"transform.extra.{name}", extra.entry) for name, extra in config.extra.items()]
    return [*_movements(config), *_changes_of_light(config), *own]


def moves_pixels(operation: Operation) -> bool:
    """Tell whether an operation moves what an image shows."""
    return isinstance(operation, A.DualTransform)


def _movements(config: TransformConfig) -> list[Operation]:
    """Of an image that has an upright position."""
    made = []
    if config.mirror:
        made.append(A.HorizontalFlip(p=0.5))
    if config.rotate or config.stretch or config.shift:
        factor = (1.0 - config.stretch, 1.0 + config.stretch)
        offset = (-config.shift, config.shift)
        scale, translation = {"x": factor, "y": factor}, {"x": offset, "y": offset}
        turn = (-config.rotate, config.rotate)
        made.append(A.Affine(scale=scale, translate_percent=translation, rotate=turn, p=1.0))
    return made


def _changes_of_light(config: TransformConfig) -> list[Operation]:
    """Factors and the gamma leave black black; noise comes last: specks come from the camera, no lens blurs them."""
    made = []
    if config.brightness:  # paper 001, 3.1.2
        made.append(A.MultiplicativeNoise(multiplier=(1.0 - config.brightness, 1.0 + config.brightness), p=1.0))
    if config.gamma:
        made.append(A.RandomGamma(gamma_limit=(100 * (1.0 - config.gamma), 100 * (1.0 + config.gamma)), p=1.0))
    if config.blur:  # paper 001, 5.2
        made.append(A.GaussianBlur(sigma_limit=(0.0, config.blur), blur_limit=0, p=1.0))
    if config.noise:  # paper 001, 3.1.2
        made.append(A.SaltAndPepper(amount=(0.0, config.noise), p=1.0))
    return made


def own_operation(key: str, entry: dict[str, Any]) -> Operation:
    """Make the transform that an entry of ``transform.extra`` names by ``_target_``.

    Raises:
        UserError: It cannot be imported, refuses its arguments, or makes no transform of albumentations.
    """
    with catch_warnings(action="error", category=UserWarning):  # albumentations only warns of a wrong argument
        return build(key, entry, A.BasicTransform)
