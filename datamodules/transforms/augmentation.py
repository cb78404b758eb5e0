"""Random transforms of training images: a pure function of (seed, epoch, image, copy)."""

from collections.abc import Mapping

import albumentations as A
import numpy as np

from common.config.data import TransformConfig
from common.seeds import derive_seed
from datamodules.transforms.karyogram_augmentation import change_within, is_on
from datamodules.transforms.operations import AUGMENTATIONS, RightAngleRotation, Transform


class Augmentation:
    """Turns, small movements and changes of light, drawn for each (seed, epoch, image, copy).

    So a run does not depend on the number of workers, on their order, or on where it was resumed. Microscopic cells
    have no upright position (paper 004, 3.1); for images that have one, switch the transforms off.

    Args:
        config: Its turns, and the strengths of the `operations`.
        seed: The run's seed.
        places: The boxes of the chromosomes of each karyogram, by manifest row (`karyogram_augmentation.place_boxes`);
            needed where ``config.within_places`` does anything.
    """

    def __init__(self, config: TransformConfig, seed: int, places: Mapping[int, np.ndarray] | None = None) -> None:
        self.config = config
        self.seed = seed
        self._within = is_on(config.within_places)
        if self._within and places is None:
            raise ValueError("within_places needs to know where the chromosomes lie")
        self.places = places or {}
        every = config.apply_to == "all"
        self._originals = _pipeline(config, config.probability if every else 0.0, every)
        # An added copy exists to differ from its original, so it is always turned.
        self._copies = _pipeline(config, 1.0, True)

    def __call__(self, image: np.ndarray, epoch: int, row: int, copy: int) -> np.ndarray:
        """Return the transformed image, uint8, shape (H, W, 3), or (W, H, 3) after a quarter turn.

        Args:
            image: uint8, shape (H, W, 3).
            epoch: The epoch within the stage; without ``each_epoch`` it does not matter.
            row: The image's row in the manifest.
            copy: 0 for the original, n for the n-th added copy.
        """
        key = (self.seed, epoch if self.config.each_epoch else 0, row, copy)
        if self._within and (copy or self.config.apply_to == "all"):
            rng = np.random.default_rng(derive_seed("within_places", *key))
            image = change_within(image, self.places[row], self.config.within_places, rng)
        pipeline = self._copies if copy else self._originals
        if pipeline is None:
            return image
        # albumentations does not reseed by itself: unseeded, all workers and epochs draw the same.
        pipeline.set_random_seed(derive_seed("augmentation", *key) % 2**32)
        return np.asarray(pipeline(image=image)["image"])


def _pipeline(config: TransformConfig, probability: float, changes: bool) -> A.Compose | None:
    """The turns with a probability, then, where ``changes``, the operations; None where nothing can happen."""
    # Each of the (up to) five turns is as likely as any other.
    turns: list[Transform] = []
    if config.flips:
        turns += [A.HorizontalFlip(p=0.2), A.VerticalFlip(p=0.2)]
    if config.rotations:
        turns.append(RightAngleRotation(p=0.6))
    steps = [A.OneOf(turns, p=probability)] if turns and probability else []
    for operation in AUGMENTATIONS.values() if changes else ():
        strengths = [getattr(config, key, 0.0) for key in operation.keys]
        if any(strengths):
            steps.append(operation.build(*strengths))
    return A.Compose(steps) if steps else None
