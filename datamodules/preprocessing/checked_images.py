"""The prepared images on disk, compared with what was written whenever they are read."""

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from karyocyte.common.errors import UserError

IMAGES = "images.npy"
RECORDS = "images.csv"
DIGEST = "crc32"  # column of the table


def digest_of(folder: Path, image: np.ndarray) -> int:
    """Return the CRC-32 of an image of a folder, which is another one for an equal image of another folder."""
    return zlib.crc32(image.data, zlib.crc32(folder.name.encode()))


class CheckedImages:
    """Prepared images by row, uint8 RGB, shape (H, W, 3), read-only.

    Each image is checked by its CRC-32 whenever it is read.

    Args:
        folder: Holds `IMAGES` and the table `RECORDS` with a column `DIGEST`.
        shape: Of all images, (N, H, W, 3).

    Raises:
        UserError: The folder is damaged.
    """

    def __init__(self, folder: Path, shape: tuple[int, ...]) -> None:
        self.folder = folder
        self.shape = shape
        try:
            self._images = np.asarray(np.load(folder / IMAGES, mmap_mode="r"))
            self._digests = pd.read_csv(folder / RECORDS, usecols=[DIGEST], dtype=np.uint32)[DIGEST].to_numpy()
        except (ValueError, EOFError, FileNotFoundError) as error:
            raise self._damage() from error
        if (self._images.shape, self._images.dtype.name, self._digests.shape) != (shape, "uint8", shape[:1]):
            raise self._damage()

    def __reduce__(self) -> tuple[Any, ...]:
        """Let a process that is not forked open the files itself, rather than send it all images."""
        return CheckedImages, (self.folder, self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, row: int) -> np.ndarray:
        image: np.ndarray = self._images[row]
        if digest_of(self.folder, image) != int(self._digests[row]):
            raise self._damage()
        return image

    def _damage(self) -> UserError:
        return UserError(f"{self.folder} is damaged: delete it, the same command prepares its images again")
