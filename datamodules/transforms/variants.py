"""Different results of the training transforms of one image, to look at."""

import numpy as np
import torch

from common.config.data import TransformConfig
from datamodules.transforms.augmentation import Augmentation
from datamodules.transforms.batched_augmentation import BatchedAugmentation

DRAWS = 60  # enough for all five turns of paper 004


def variants(image: np.ndarray, row: int, config: TransformConfig, count: int) -> list[tuple[str, np.ndarray]]:
    """Return at most ``count`` different transformed images, each with the name of its turn, or "" for other changes.

    Args:
        image: uint8 RGB, shape (H, W, 3).
        row: Its row in the manifest.
        config: The transforms, as an added copy of the image has them.
        count: How many.
    """
    found: list[tuple[str, np.ndarray]] = []
    for changed in _drawn(image, row, config):
        known = [image, *(each for _, each in found)]
        if len(found) < count and not any(np.array_equal(changed, each) for each in known):
            found.append((_turn(image, changed), changed))
    return sorted(found, key=lambda each: each[0])


def _drawn(image: np.ndarray, row: int, config: TransformConfig) -> list[np.ndarray]:
    if not config.batched:
        augmentation = Augmentation(config, 0)
        return [augmentation(image, copy, row, copy) for copy in range(1, DRAWS + 1)]
    pixels = torch.from_numpy(image.transpose(2, 0, 1).copy()).expand(DRAWS, -1, -1, -1)
    copies = torch.arange(1, DRAWS + 1)
    changed = BatchedAugmentation(config, 0)(pixels, copies, torch.full_like(copies, row), copies)
    return list((changed.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy())


def _turn(image: np.ndarray, changed: np.ndarray) -> str:
    turned = {
        "mirrored left to right": image[:, ::-1],
        "mirrored top to bottom": image[::-1],
        "turned by 90 degrees": np.rot90(image, 1),
        "turned by 180 degrees": np.rot90(image, 2),
        "turned by 270 degrees": np.rot90(image, 3),
    }
    for name, expected in turned.items():
        if np.array_equal(changed, expected):
            return name
    return ""
