"""The prepared images on disk, compared with what was written whenever they are read."""

import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch.utils.data import get_worker_info

from datamodules.io.whole_folder import make_once
from karyocyte.common.cli import warn
from karyocyte.common.errors import UserError
from karyocyte.common.files import raise_unreadable

IMAGES = "images.npy"
RECORDS = "images.csv"
DIGEST = "crc32"  # column of the table


def digest_of(folder: Path, image: np.ndarray) -> int:
    """Return the CRC-32 of an image of a folder, which is another one for an equal image of another folder."""
    return zlib.crc32(image.data, zlib.crc32(folder.name.encode()))


class CheckedImages:
    """Prepared images by row, uint8 RGB, shape (H, W, 3), read-only.

    Their sizes are checked when they are opened, and each image by its CRC-32 whenever it is read. Damaged files are
    never used: they are written again. A process that loads images, whose time is limited, only removes them.

    Args:
        folder: Holds `IMAGES` and the table `RECORDS` with a column `DIGEST`; it is written where it is missing.
        shape: Of all images, (N, H, W, 3).
        write: Writes the folder whole, in place of an earlier one.

    Raises:
        UserError: The folder is damaged again as soon as it is written, or is damaged and was removed by a process that
            loads images; or what ``write`` raises.
        OSError, MemoryError: The files cannot be read at present.
    """

    def __init__(self, folder: Path, shape: tuple[int, ...], write: Callable[[Path], None]) -> None:
        self.folder = folder
        self.shape = shape
        self._write = write
        self._make_right(self._open)

    def __reduce__(self) -> tuple[Any, ...]:
        """Let a process that is not forked open the files itself, rather than send it all images."""
        return CheckedImages, (self.folder, self.shape, self._write)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, row: int) -> np.ndarray:
        if not self._is_right(row):
            self._make_right(lambda: self._open() and self._is_right(row))
        image: np.ndarray = self._images[row]
        return image

    def _is_right(self, row: int) -> bool:
        return digest_of(self.folder, self._images[row]) == int(self._digests[row])

    def _open(self) -> bool:
        """Open the files; return whether their sizes are right."""
        path = self.folder / IMAGES
        try:
            images = np.load(path, mmap_mode="r")
            table = pd.read_csv(self.folder / RECORDS, usecols=[DIGEST], dtype=np.uint32)
        except FileNotFoundError:
            return False
        except Exception as error:  # damaged bytes raise errors of many kinds
            raise_unreadable(path, error)
            return False
        self._images = np.asarray(images)
        self._digests = table[DIGEST].to_numpy()
        whole_file = path.stat().st_size == images.offset + images.nbytes
        kind = (images.shape, images.dtype, images.flags.c_contiguous, self._digests.shape)
        return whole_file and kind == (self.shape, np.uint8, True, self.shape[:1])

    def _make_right(self, is_right: Callable[[], bool]) -> None:
        """Write the folder, unless it is right: it may be once another process has written it."""

        def write(folder: Path) -> None:
            """Write the folder, and say so where it was damaged; only remove it in a process that loads images."""
            damaged = folder.exists()
            if get_worker_info() is None:
                if damaged:
                    warn(f"{folder} is damaged: the images are prepared again")
                self._write(folder)
                return
            if damaged:  # else another process has removed it
                shutil.rmtree(folder)
            raise UserError(f"{folder} was damaged and is removed: the same command prepares it again and goes on")

        make_once(self.folder, write, lambda folder: is_right())
        if not is_right():
            raise UserError(f"{self.folder} is damaged as soon as it is written: set cache_dir to another disk")
