"""Image files that are not part of a data set, read and prepared while a model predicts."""

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from common.config.data import PrepareConfig
from datamodules.io.decode import BrokenImageError, common_range, decode_image, least_range_of_file, read_image
from datamodules.preprocessing.chromosome_canvas import TooLargeError
from datamodules.preprocessing.pipeline import prepare_single, resize


@dataclass(frozen=True)
class ImageBatch:
    """Prepared images, uint8, shape (B, 3, H, W), and the positions of their files, int64, shape (B,)."""

    image: np.ndarray
    index: np.ndarray


class ImageFileBatches:
    """Prepared image files in batches, in their order; files that cannot be used are left out and noted.

    A batch without any usable file is left out as well; the length, for the progress bar, counts it.

    Args:
        files: The paths.
        prepare: The preparation; one that ``scales_by_cell`` takes the scale from the width of each chromosome.
        batch_size: Size of a batch without broken files.

    Attributes:
        causes: Why a file cannot be used, by its position; complete once all files are served.
        hashes: SHA-256 of the files that could be read, by position; likewise.
    """

    def __init__(self, files: Sequence[Path], prepare: PrepareConfig, batch_size: int) -> None:
        self.files = files
        self.prepare = prepare
        self.batch_size = batch_size
        self.causes: dict[int, str] = {}
        self.hashes: dict[int, str] = {}

    def __len__(self) -> int:
        return -(-len(self.files) // self.batch_size)

    def __iter__(self) -> Iterator[ImageBatch]:
        _ = self.full_range  # not by each thread
        # Decoding and resizing release the interpreter's lock: threads are enough.
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for first in range(0, len(self.files), self.batch_size):
                batch = range(first, min(first + self.batch_size, len(self.files)))
                images = list(pool.map(self._prepared, batch))
                usable = [image for image in images if image is not None]
                if usable:
                    rows = [row for row in batch if row not in self.causes]
                    image = np.stack(usable).transpose(0, 3, 1, 2).copy()
                    yield ImageBatch(image, np.array(rows, np.int64))

    @cached_property
    def full_range(self) -> int | None:
        """The range of the values of all files of more than 8 bits, where it is detected; see `least_range`."""
        if self.prepare.background == "black":
            return None
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            return common_range(pool.map(least_range_of_file, self.files))

    def prepared(self, rows: Sequence[int]) -> np.ndarray:
        """Return the files of some positions that can be used, prepared: uint8 RGB, shape (N, H, W, 3)."""
        _ = self.full_range  # not by each thread
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            images = [image for image in pool.map(self._prepared, rows) if image is not None]
        return np.stack(images) if images else np.zeros((0, 0, 0, 3), np.uint8)

    def _prepared(self, row: int) -> np.ndarray | None:
        path = self.files[row]
        try:
            data = read_plain_file(path)
            self.hashes[row] = hashlib.sha256(data).hexdigest()
            return prepare_single(decode_image(data, self.prepare.background, self.full_range).pixels, self.prepare)
        except (BrokenImageError, TooLargeError) as error:
            self.causes[row] = str(error)
        except (cv2.error, MemoryError) as error:
            self.causes[row] = f"cannot be prepared ({type(error).__name__})"
        return None


def read_plain_file(path: Path) -> bytes:
    """Return the bytes of a file.

    Raises:
        BrokenImageError: It cannot be read, or is no plain file; the message does not repeat the path.
    """
    try:
        # Opening a pipe with the name of an image would wait forever.
        if not stat.S_ISREG(path.stat().st_mode):
            raise BrokenImageError("no plain file")
        return path.read_bytes()
    except OSError as error:
        raise BrokenImageError(f"cannot be read ({error.strerror})") from error
    except BrokenImageError:
        raise
    except ValueError as error:  # a path of a table with a null byte
        raise BrokenImageError(f"cannot be read ({error})") from error


def read_thumbnail(path: Path, side: int) -> np.ndarray:
    """Read an image and shrink it to at most ``side`` pixels along its longer side: uint8 RGB, shape (h, w, 3).

    Raises:
        BrokenImageError: The file cannot be read.
    """
    image = read_image(path)
    height, width = image.shape[:2]
    scale = min(1.0, side / max(height, width))
    return resize(image, (max(1, round(height * scale)), max(1, round(width * scale))), "area")
