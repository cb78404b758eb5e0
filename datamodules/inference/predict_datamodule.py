"""Image files that are not part of a data set, read and prepared while a model predicts."""

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from pytorch_lightning import LightningDataModule
from torch.utils.data import DataLoader, Dataset

from common.config.schema import PrepareConfig
from datamodules.inference.run_images import prepare_single
from datamodules.io.decode import BrokenImageError, decode_image, read_image
from datamodules.preprocessing.chromosome_canvas import TooLargeError
from datamodules.preprocessing.pipeline import resize


class PreparedFile(NamedTuple):
    """The result of reading and preparing a file.

    Attributes:
        row: Position of the file.
        image: The network's input, uint8 RGB, shape (H, W, 3); None where the file cannot be used.
        sha256: Of its bytes, 64 hex digits; None where they cannot be read.
        cause: Why the file cannot be used; None where it can.
    """

    row: int
    image: np.ndarray | None
    sha256: str | None = None
    cause: str | None = None


class ImageFileDataset(Dataset[PreparedFile]):
    """Image files, prepared one by one.

    Args:
        files: The paths.
        prepare: The preparation, which must not be one that ``scales_by_cell``.
    """

    def __init__(self, files: Sequence[Path], prepare: PrepareConfig) -> None:
        self.files = files
        self.prepare = prepare

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, row: int) -> PreparedFile:
        """Read and prepare a file; errors are part of the result."""
        path = self.files[row]
        try:
            # Opening a pipe with the name of an image would wait forever.
            if not stat.S_ISREG(path.stat().st_mode):
                return PreparedFile(row, None, cause="no plain file")
            data = path.read_bytes()
        except OSError as error:
            return PreparedFile(row, None, cause=f"cannot be read ({error.strerror})")
        digest = hashlib.sha256(data).hexdigest()
        try:
            return PreparedFile(row, prepare_single(decode_image(data).pixels, self.prepare), digest)
        except (BrokenImageError, TooLargeError) as error:
            return PreparedFile(row, None, digest, str(error))
        except (cv2.error, MemoryError) as error:
            return PreparedFile(row, None, digest, f"cannot be prepared ({type(error).__name__})")

    def __getitems__(self, rows: list[int]) -> list[PreparedFile]:
        """Prepare the files of a batch in threads: decoding and resizing release the interpreter's lock."""
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            return list(pool.map(self.__getitem__, rows))


class PredictDataModule(LightningDataModule):
    """Serves image files in batches, in their order; files that cannot be used are left out and noted.

    Args:
        files: The paths.
        prepare: See ``ImageFileDataset``.
        batch_size: Size of a batch without broken files.

    Attributes:
        causes: Why a file cannot be used, by its position; complete once all files are served.
        hashes: SHA-256 of the files that could be read, by position; likewise.
    """

    def __init__(self, files: Sequence[Path], prepare: PrepareConfig, batch_size: int) -> None:
        super().__init__()
        self.dataset = ImageFileDataset(files, prepare)
        self.batch_size = batch_size
        self.causes: dict[int, str] = {}
        self.hashes: dict[int, str] = {}

    def predict_dataloader(self) -> "_NonEmptyBatches":
        """Batches of [image uint8 (B, C, H, W), index int64 (B,)]."""
        return _NonEmptyBatches(DataLoader(self.dataset, self.batch_size, collate_fn=self._collate))

    def on_after_batch_transfer(self, batch: list[torch.Tensor], dataloader_idx: int) -> dict[str, torch.Tensor]:
        """Return {"image": float32 (B, C, H, W) in [0, 1], "index": int64 (B,)}, scaled as in training."""
        image, index = batch
        return {"image": image.float() / 255, "index": index}

    def _collate(self, files: list[PreparedFile]) -> list[torch.Tensor] | None:
        rows = []
        images = []
        for file in files:
            if file.sha256 is not None:
                self.hashes[file.row] = file.sha256
            if file.image is None:
                self.causes[file.row] = str(file.cause)
            else:
                rows.append(file.row)
                images.append(file.image)
        if not rows:
            return None
        return [torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).copy()), torch.tensor(rows)]


class _NonEmptyBatches:
    """A loader without the batches whose files are all broken; its length, for the progress bar, counts them."""

    def __init__(self, loader: "DataLoader[PreparedFile]") -> None:
        self.loader = loader

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[list[torch.Tensor]]:
        return filter(None, self.loader)


def read_thumbnail(path: Path, side: int) -> np.ndarray:
    """Read an image and shrink it to at most ``side`` pixels along its longer side: uint8 RGB, shape (h, w, 3).

    Raises:
        BrokenImageError: The file cannot be read.
    """
    image = read_image(path)
    scale = min(1.0, side / max(image.shape[:2]))
    height, width = image.shape[:2]
    return resize(image, (max(1, round(height * scale)), max(1, round(width * scale))), "area")
