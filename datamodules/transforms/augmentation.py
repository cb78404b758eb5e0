"""Random transforms of training images: a pure function of (seed, epoch, image, copy)."""

import numpy as np

from datamodules.transforms.operations import AUGMENTATIONS, Transform, own_operation
from datamodules.transforms.turns import RandomTurn
from karyocyte.common.seeds import derive_seed
from karyocyte.config.data import TransformConfig


class Augmentation:
    """Turns, small movements and changes of light, drawn for each (seed, epoch, image, copy).

    So a run does not depend on the number of workers, on their order, or on where it was resumed. Microscopic cells
    have no upright position (paper 004, 3.1); for images that have one, switch the transforms off.

    Args:
        config: Its turns, and the strengths of the `operations`.
        seed: The run's seed.
    """

    def __init__(self, config: TransformConfig, seed: int) -> None:
        self.config = config
        self.seed = seed
        self._turn = RandomTurn(config.flips, config.rotations, config.probability)
        # An added copy exists to differ from its original, so it is always turned.
        self._turn_copy = RandomTurn(config.flips, config.rotations, 1.0)
        self._operations = chosen_operations(config)
        self.is_on = config.flips or config.rotations or bool(self._operations)

    def __call__(self, image: np.ndarray, epoch: int, row: int, copy: int) -> np.ndarray:
        """Return the transformed image, uint8, shape (H, W, 3), or (W, H, 3) after a quarter turn.

        Args:
            image: uint8, shape (H, W, 3).
            epoch: The epoch within the stage; without ``each_epoch`` it does not matter.
            row: The image's row in the manifest.
            copy: 0 for the original, n for the n-th added copy.
        """
        if not self.is_on or (not copy and self.config.apply_to != "all"):
            return image
        if not self.config.each_epoch:
            epoch = 0
        seed = derive_seed("augmentation", self.seed, epoch, row, copy) % 2**32
        turn = self._turn
        if copy:
            turn = self._turn_copy
        image = turn(image, seed)
        for number, operation in enumerate(self._operations, 1):
            # albumentations does not reseed by itself, and gives all transforms of a pipeline the same numbers.
            operation.set_random_seed((seed + number) % 2**32)
            image = operation(image=image)["image"]
        return image


def chosen_operations(config: TransformConfig) -> list[Transform]:
    """Return the operations that have a strength, in their order, and after them those of a user's own."""
    operations = []
    for operation in AUGMENTATIONS.values():
        strengths = [getattr(config, key) for key in operation.keys]
        if any(strengths):
            operations.append(operation.build(*strengths))
    for name, entry in config.extra.items():
        operations.append(own_operation(name, entry))
    return operations
