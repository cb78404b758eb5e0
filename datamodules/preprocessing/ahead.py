"""Images that are prepared while a scan reads them for the first time: each file is then read and decoded once."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd

from common.config.data import PrepareConfig
from common.errors import UserError
from datamodules.io.decode import Decoded
from datamodules.manifest.manifest import Manifest
from datamodules.preprocessing.chromosome_canvas import TooLargeError
from datamodules.preprocessing.pipeline import prepare_image
from datamodules.preprocessing.together import MOST_KEPT, rows_together, with_scales


class PreparedAhead:
    """Prepared images of a listing, on disk until all are read and the manifest says which cache is theirs.

    An image is left out where its preparation needs more than itself and its cell, or fails: whoever fills the cache
    then reads its file again, and says what is wrong. The file of the images has no name, so that none is left by a
    killed process.

    Args:
        config: The settings of the preparation.
        folder: A folder on the disk of the cache, which may not be there yet.
    """

    def __init__(self, config: PrepareConfig, folder: Path) -> None:
        self.config = config
        self._folder = folder
        self._ids = pd.Index([])
        self._cells = np.zeros(0, object)
        self._is_there = np.zeros(0, bool)
        self._cell_size = np.zeros(0)  # images of the same cell, by row; nan where it is not known
        self._file: IO[bytes] | None = None

    def batches(self, frame: pd.DataFrame, rows: Sequence[int]) -> Iterator[list[int]]:
        """Begin with the images of a listing and yield its rows as they are to be decoded: those of a cell at once."""
        self._ids = pd.Index(frame["image_id"])
        self._cells = frame["cell"].to_numpy(object)
        self._is_there = np.zeros(len(frame), bool)
        self._cell_size = frame["cell"].map(frame["cell"].value_counts()).to_numpy(np.float64)
        self._folder.mkdir(parents=True, exist_ok=True)
        # In the end they are there twice, for a moment.
        if 2 * len(rows) * self._size <= shutil.disk_usage(self._folder).free:
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 (closed by `close`)
        for together in rows_together(frame, rows, self.config):
            for start in range(0, len(together), MOST_KEPT):
                yield together[start : start + MOST_KEPT]

    def take(self, images: dict[int, Decoded], count: int) -> None:
        """Prepare the decoded images of a batch, by their rows; ``count`` are in the batch, with the broken ones."""
        depends = self.config.background != "black" and any(image.by_settings for image in images.values())
        if self._file is None or not images or depends or not self._is_whole(next(iter(images)), count):
            return
        rows = list(images)
        try:
            together = with_scales(rows, self._cells[rows[0]], lambda row: images[row].pixels, self.config)
            prepared = {row: prepare_image(image, self.config, scale) for row, image, scale in together}
            for row, image in prepared.items():
                if os.pwrite(self._file.fileno(), image.tobytes(), row * self._size) != self._size:
                    return  # a disk that fills up takes a part
        except (TooLargeError, UserError, OSError):  # said when the cache is filled
            return
        self._is_there[list(prepared)] = True

    def places(self, manifest: Manifest) -> np.ndarray:
        """Return where the image of each manifest row is, int64, shape (images,); -1 where it is not."""
        if not self._is_there.any():
            return np.full(len(manifest.frame), -1)
        places = self._ids.get_indexer(manifest.frame["image_id"])
        return np.where(self._is_there[places], places, -1)

    def read(self, place: int) -> np.ndarray:
        """Return the image at a place, uint8, shape (H, W, 3)."""
        assert self._file is not None
        data = os.pread(self._file.fileno(), self._size, place * self._size)
        return np.frombuffer(data, np.uint8).reshape(*self.config.stored_shape, 3)

    def close(self) -> None:
        """Give the disk back."""
        self._is_there[:] = False
        if self._file is not None:
            self._file.close()
            self._file = None

    @property
    def _size(self) -> int:
        height, width = self.config.stored_shape
        return 3 * height * width

    def _is_whole(self, row: int, count: int) -> bool:
        """Whether a batch with a row has all images that are prepared together with it."""
        size = self._cell_size[row]
        return not self.config.scales_by_cell or bool(np.isnan(size)) or count == size
