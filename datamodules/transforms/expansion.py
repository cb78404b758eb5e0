"""The images of a data set, and the changed copies that some papers add before the split."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from datamodules.manifest.manifest import Manifest
from karyocyte.config.data import TransformConfig


class Images(Protocol):
    """Images by row, uint8, shape (H, W, 3)."""

    def __len__(self) -> int: ...

    def __getitem__(self, row: int, /) -> np.ndarray: ...


def without_copies(images: Images) -> Images:
    """Return images as they are; a worker process that is not forked can be sent this function."""
    return images


@dataclass(frozen=True)
class Expansion:
    """A manifest with the changed copies of its images; without any where nothing is augmented before the split."""

    manifest: Manifest  # with the copies, and without the images that are left out
    transform: TransformConfig  # the remaining transforms of the training
    images: Callable[[Images], Images] = without_copies  # by the rows of ``manifest``, from the scanned ones
    warnings: tuple[str, ...] = ()  # for the user
    is_balanced: bool = False  # whether the classes have been evened out
