"""Random transforms of training images: a pure function of (seed, epoch, image, copy)."""

import numpy as np

from datamodules.transforms.operations import Pipeline, chosen_operations, turns
from karyocyte.common.seeds import derive_seed
from karyocyte.config.data import TransformConfig


class Augmentation:
    """Turns, small movements and changes of light, drawn for each (seed, epoch, image, copy).

    So a run does not depend on the number of workers, on their order, or on where it was resumed. Microscopic cells
    have no upright position (paper 004, 3.1); for images that have one, switch the transforms off.

    Args:
        config: Its turns, the strengths of the operations, and those of a user's own.
        seed: The run's seed.
    """

    def __init__(self, config: TransformConfig, seed: int) -> None:
        self.config = config
        self.seed = seed
        operations = chosen_operations(config)
        self.is_on = config.flips or config.rotations or bool(operations)
        self._change = Pipeline([*turns(config, config.probability), *operations])
        # An added copy exists to differ from its original, so it is always turned.
        self._change_copy = Pipeline([*turns(config, 1.0), *operations])

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
        seed = derive_seed("augmentation", self.seed, epoch, row, copy)
        change = self._change_copy if copy else self._change
        return np.asarray(change(seed, image)["image"])
