"""Random changes of an image, each switched on by a strength under ``transform``; a new one is one function here."""

from collections.abc import Callable
from typing import Any, NamedTuple

import albumentations as A

Transform = Any  # of albumentations, which has no types
Build = Callable[..., Transform]


class Operation(NamedTuple):
    """A random change."""

    keys: tuple[str, ...]  # its strengths under ``transform``; where all are 0 nothing happens
    at_most: float  # the largest strength of a key that the schema does not know
    build: Build  # makes the transform of the strengths, in the order of the keys


AUGMENTATIONS: dict[str, Operation] = {}


def augmentation(*keys: str, at_most: float = 1.0) -> Callable[[Build], Build]:
    """Register a function that makes a transform of its strengths; images pass the operations in their order here.

    Args:
        *keys: The names of the function's arguments under ``transform``, in their order. One that
            conf/transform/none.yaml does not have is set with ``+transform.<key>=<strength>``, or in a file of
            conf/transform/.
        at_most: The largest strength of such a key.
    """

    def register(build: Build) -> Build:
        """Add the operation under the name of its function."""
        AUGMENTATIONS[build.__name__] = Operation(keys, at_most, build)
        return build

    return register


# First what moves the pixels of an image that has an upright position.


@augmentation("mirror")
def mirror(mirror: bool) -> Transform:
    """Left and right, with probability 1/2."""
    return A.HorizontalFlip(p=0.5)


@augmentation("rotate", "stretch", "shift")
def affine(rotate: float, stretch: float, shift: float) -> Transform:
    """Turn by degrees, and stretch and shift by shares of each side."""
    factor = (1.0 - stretch, 1.0 + stretch)
    offset = (-shift, shift)
    scale = {"x": factor, "y": factor}
    return A.Affine(scale=scale, translate_percent={"x": offset, "y": offset}, rotate=(-rotate, rotate), p=1.0)


# Then what changes the light: factors and the gamma, which leave black black, then the blur, and the noise last: specks
# of salt and pepper come from the camera, no lens blurs them.


@augmentation("brightness")
def brightness(brightness: float) -> Transform:
    """All values by one factor (paper 001, 3.1.2)."""
    return A.MultiplicativeNoise(multiplier=(1.0 - brightness, 1.0 + brightness), p=1.0)


@augmentation("gamma")
def gamma(gamma: float) -> Transform:
    """All values to one power."""
    return A.RandomGamma(gamma_limit=(100 * (1.0 - gamma), 100 * (1.0 + gamma)), p=1.0)


@augmentation("blur")
def blur(blur: float) -> Transform:
    """A Gaussian of up to this standard deviation in pixels (paper 001, 5.2)."""
    return A.GaussianBlur(sigma_limit=(0.0, blur), blur_limit=0, p=1.0)


@augmentation("noise")
def noise(noise: float) -> Transform:
    """Salt and pepper on up to this share of the pixels (paper 001, 3.1.2)."""
    return A.SaltAndPepper(amount=(0.0, noise), p=1.0)
