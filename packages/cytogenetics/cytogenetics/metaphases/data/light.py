"""Changes of the light of pictures whose pixels keep their places."""

from typing import Any

import albumentations as A
import numpy as np

from datamodules.transforms.augmentation import chosen_operations
from karyocyte.common.errors import UserError
from karyocyte.config.data import TransformConfig


def light_operations(light: TransformConfig | None) -> list[Any]:
    """Return the operations of ``transform``; none without it.

    Raises:
        UserError: One moves pixels.
    """
    operations: list[Any] = chosen_operations(light) if light else []
    if light and (light.flips or light.rotations or any(isinstance(step, A.DualTransform) for step in operations)):
        raise UserError("masks and boxes are not moved: of transform, only brightness, gamma, noise and blur count")
    return operations


def change_light(picture: np.ndarray, operations: list[Any], seed: int) -> np.ndarray:
    """Return a picture, uint8 gray, shape (H, W), in another light."""
    for number, step in enumerate(operations):
        step.set_random_seed((seed + number) % 2**32)
        picture = step(image=picture)["image"]
    return picture
