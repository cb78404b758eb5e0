"""Random changes of an image, each switched on by a strength under ``transform``; ``transform.extra`` names others."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from warnings import catch_warnings

import albumentations as A
from hydra.utils import instantiate

from karyocyte.common.errors import UserError, first_line

Transform = Any  # of albumentations, which has no types
Build = Callable[..., Transform]


class Operation(NamedTuple):
    """A random change."""

    keys: tuple[str, ...]  # its strengths under ``transform``; where all are 0 nothing happens
    build: Build  # makes the transform of the strengths, in the order of the keys


AUGMENTATIONS: dict[str, Operation] = {}


def augmentation(*keys: str) -> Callable[[Build], Build]:
    """Register a function that makes a transform of its strengths; images pass the operations in their order here.

    Args:
        *keys: The names of the function's arguments under ``transform``, in their order.
    """

    def register(build: Build) -> Build:
        """Add the operation under the name of its function."""
        AUGMENTATIONS[build.__name__] = Operation(keys, build)
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


def own_operation(name: str, entry: Mapping[str, Any]) -> Transform:
    """Make a transform of the class or function that ``transform.extra.<name>`` names by ``_target_``.

    Raises:
        UserError: It cannot be imported, refuses its arguments, or makes no transform of albumentations.
    """
    key = f"transform.extra.{name}"
    try:
        with catch_warnings(action="error", category=UserWarning):  # albumentations only warns of a wrong argument
            made = instantiate(dict(entry), _convert_="all")
    except Exception as error:  # Hydra wraps whatever an import or a constructor raises
        raise UserError(f"{key}: {first_line(error.__cause__ or error)}; correct _target_ and arguments") from error
    if not isinstance(made, A.BasicTransform):
        raise UserError(f"{key}: {entry['_target_']} makes no transform of albumentations: name one that does")
    return made
