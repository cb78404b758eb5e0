"""Random transforms of training images: a pure function of (seed, epoch, image, copy)."""

import os
from collections.abc import Mapping
from typing import Any

# It asks the network for a newer version on every import, and waits where there is none.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import albumentations as A  # noqa: E402
import numpy as np  # noqa: E402

from common.config.schema import TransformConfig  # noqa: E402
from common.seeds import derive_seed  # noqa: E402
from datamodules.transforms.karyogram_augmentation import change_within, is_on  # noqa: E402


class RightAngleRotation(A.ImageOnlyTransform):
    """Rotate by 90, 180 or 270 degrees, each as likely; never by 0, as RandomRotate90 does (paper 004, 3.1)."""

    def get_params(self) -> dict[str, Any]:
        """Draw the number of quarter turns, 1 to 3."""
        return {"turns": self.py_random.randint(1, 3)}

    def apply(self, img: np.ndarray, turns: int, **params: Any) -> np.ndarray:
        """Turn the image (H, W, C) counter-clockwise."""
        return np.ascontiguousarray(np.rot90(img, turns))


class Augmentation:
    """Turns, small movements and changes of light, drawn anew for each (seed, epoch, image, copy), for nothing else.

    So a run does not depend on the number of workers, on their order, or on where it was resumed. Microscopic cells
    have no upright position (paper 004, 3.1); for images that have one, switch the transforms off.

    Args:
        config: What may happen.
        seed: The run's seed.
        places: Where the chromosomes of each karyogram lie, by manifest row, int64, shape (n, 4)
            (`within_places.place_boxes`); needed where ``config.within_places`` does anything.
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
        """Return the transformed image; what happens within the places comes first, as long as they are known.

        Args:
            image: uint8, shape (H, W, 3).
            epoch: The epoch within the stage; without ``each_epoch`` it does not matter.
            row: The image's row in the manifest.
            copy: 0 for the original, n for the n-th added copy.

        Returns:
            uint8, shape (H, W, 3), or (W, H, 3) after a quarter turn.
        """
        key = (self.seed, epoch if self.config.each_epoch else 0, row, copy)
        if self._within and (copy or self.config.apply_to == "all"):
            rng = np.random.default_rng(derive_seed("within_places", *key))
            image = change_within(image, self.places[row], self.config.within_places, rng)
        if copy:
            pipeline = self._copies
        else:
            pipeline = self._originals
        if pipeline is None:
            return image
        # albumentations does not reseed by itself: unseeded, all workers and epochs draw the same.
        pipeline.set_random_seed(derive_seed("augmentation", *key) % 2**32)
        return pipeline(image=image)["image"]


def _pipeline(config: TransformConfig, probability: float, moves: bool) -> A.Compose | None:
    """The turns with a probability, then, where ``moves``, the small changes; None where nothing can happen."""
    steps = _turns(config, probability) + (_movements(config) + _light(config) if moves else [])
    if steps:
        return A.Compose(steps)
    return None


def _turns(config: TransformConfig, probability: float) -> list[A.BasicTransform | A.BaseCompose]:
    """One of the allowed turns; each of the (up to) five is as likely as any other."""
    if config.flips:
        flips = [A.HorizontalFlip(p=0.2), A.VerticalFlip(p=0.2)]
    else:
        flips = []
    if config.rotations:
        rotations = [RightAngleRotation(p=0.6)]
    else:
        rotations = []
    if probability == 0.0 or not (flips or rotations):
        return []
    return [A.OneOf(flips + rotations, p=probability)]


def _movements(config: TransformConfig) -> list[A.BasicTransform | A.BaseCompose]:
    """What moves the pixels of an image that has an upright position: mirror, turn, stretch, shift, bend."""
    steps: list[A.BasicTransform | A.BaseCompose] = [A.HorizontalFlip(p=0.5)] if config.mirror else []
    if config.rotate or config.stretch or config.shift:
        factor = (1.0 - config.stretch, 1.0 + config.stretch)
        offset = (-config.shift, config.shift)
        steps.append(
            A.Affine(
                scale={"x": factor, "y": factor},
                translate_percent={"x": offset, "y": offset},
                rotate=(-config.rotate, config.rotate),
                p=1.0,
            )
        )
    if config.bend:
        # A net of 4 x 2 knots, each moved by up to `bend` of its mesh: a chromosome bends and swells in places.
        steps.append(A.GridDistortion(num_steps=3, distort_limit=config.bend, p=0.5))
    return steps


def _light(config: TransformConfig) -> list[A.BasicTransform | A.BaseCompose]:
    """What changes the light: factors and the gamma, which leave black black, then the blur, and the noise last.

    In this order, since specks of salt and pepper come from the camera: no lens blurs them.
    """
    steps: list[A.BasicTransform | A.BaseCompose] = []
    if config.contrast:
        steps.append(A.MultiplicativeNoise(multiplier=(1.0 - config.contrast, 1.0 + config.contrast), p=1.0))
    if config.gamma:
        steps.append(A.RandomGamma(gamma_limit=(100 * (1.0 - config.gamma), 100 * (1.0 + config.gamma)), p=1.0))
    if config.brightness:
        steps.append(A.MultiplicativeNoise(multiplier=(1.0 - config.brightness, 1.0 + config.brightness), p=1.0))
    if config.blur:
        steps.append(A.GaussianBlur(sigma_limit=(0.0, config.blur), blur_limit=0, p=1.0))
    if config.noise:
        steps.append(A.SaltAndPepper(amount=(0.0, config.noise), p=1.0))
    return steps
