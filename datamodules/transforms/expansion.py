"""The images of a data set, and the changed copies that some papers add before the split."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from datamodules.manifest.manifest import Manifest
from datamodules.preprocessing.cache import CheckedImages
from karyocyte.config.data import TransformConfig

# Makes a copy of an image (H, W, 3), that image's row, and the number of the copy, from 1.
Change = Callable[[np.ndarray, int, int], np.ndarray]


@dataclass(frozen=True, eq=False)
class ExpandedImages:
    """The images of an expanded manifest by row, uint8, shape (H, W, 3): see `Expansion` for the attributes."""

    images: CheckedImages
    origin: np.ndarray
    copy: np.ndarray
    change: Change

    def __len__(self) -> int:
        return len(self.origin)

    def __getitem__(self, row: int) -> np.ndarray:
        origin = int(self.origin[row])
        copy = int(self.copy[row])
        image = np.asarray(self.images[origin])
        if not copy:
            return image
        return self.change(image, origin, copy)


@dataclass(frozen=True)
class Expansion:
    """A manifest with the changed copies of its images; without any where nothing is augmented before the split."""

    manifest: Manifest  # with the copies, and without the images that are left out
    transform: TransformConfig  # the remaining transforms of the training
    origin: np.ndarray  # the scanned image that each row shows, int64, shape (N,)
    copy: np.ndarray  # 0 for an original, n for the n-th copy of an image, int64, shape (N,)
    change: Change | None = None  # makes a copy; None: there are no copies
    warnings: tuple[str, ...] = ()  # for the user
    is_balanced: bool = False  # whether the classes have been evened out

    def images(self, prepared: CheckedImages) -> CheckedImages | ExpandedImages:
        """Return the images by the rows of ``manifest``, from the scanned ones; nothing is stored twice."""
        if self.change is None:
            return prepared
        return ExpandedImages(prepared, self.origin, self.copy, self.change)


def unchanged(manifest: Manifest, transform: TransformConfig) -> Expansion:
    """Return the expansion of a manifest to which nothing is added."""
    rows = np.arange(len(manifest.frame))
    return Expansion(manifest, transform, rows, np.zeros_like(rows))
