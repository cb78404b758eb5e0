"""Images of files that nobody prepared, read and prepared while a model predicts: few are in memory at a time."""

import hashlib
import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
import torch
from pytorch_lightning import LightningDataModule

from common.config.schema import PrepareConfig
from datamodules.inference.run_images import prepare_alone
from datamodules.io.decode import BrokenImageError, decode_image, read_image
from datamodules.preprocessing.chromosome_canvas import TooLargeError
from datamodules.preprocessing.pipeline import resize

BATCHES_AHEAD = 2
Item = TypeVar("Item")
Result = TypeVar("Result")


class Reading(NamedTuple):
    """What came of a file.

    Attributes:
        image: As the network sees it, uint8 RGB, shape (H, W, 3); None where it cannot be judged.
        sha256: Of its bytes, 64 hex digits; None where they cannot be read.
        cause: Why it cannot be judged; None where it can.
    """

    image: np.ndarray | None
    sha256: str | None = None
    cause: str | None = None


class GivenImages(LightningDataModule):
    """Serves files in batches, in their order; those that cannot be read are left out and noted.

    Args:
        files: The files.
        prepare: How they are prepared, see ``samples.check_alone``.
        batch_size: Of a batch without broken files.

    Attributes:
        causes: Why the file of a row cannot be judged, by row; complete once all is served.
        hashes: SHA-256 of the files that could be read, by row; likewise.
    """

    def __init__(self, files: Sequence[Path], prepare: PrepareConfig, batch_size: int) -> None:
        super().__init__()
        self.files = files
        self.prepare_config = prepare
        self.batch_size = batch_size
        self.causes: dict[int, str] = {}
        self.hashes: dict[int, str] = {}

    def predict_dataloader(self) -> "_Batches":
        """Batches of [image uint8 (B, C, H, W), index int64 (B,)]."""
        return _Batches(self)

    def on_after_batch_transfer(self, batch: list[torch.Tensor], dataloader_idx: int) -> dict[str, torch.Tensor]:
        """Return {"image": float32 (B, C, H, W) in [0, 1], "index": int64 (B,)}, scaled as in training."""
        image, index = batch
        return {"image": image.float() / 255, "index": index}

    def batches(self) -> Iterator[list[torch.Tensor]]:
        """Read and prepare the files; a batch without any readable file is left out."""
        kept: list[tuple[int, np.ndarray]] = []
        ahead = BATCHES_AHEAD * self.batch_size
        for row, found in enumerate(_ahead(lambda file: read(file, self.prepare_config), self.files, ahead)):
            if found.sha256 is not None:
                self.hashes[row] = found.sha256
            if found.cause is not None:
                self.causes[row] = found.cause
            else:
                kept.append((row, found.image))
            if kept and ((row + 1) % self.batch_size == 0 or row + 1 == len(self.files)):
                rows, images = zip(*kept, strict=True)
                yield [torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).copy()), torch.tensor(rows)]
                kept = []


class _Batches:
    """What Lightning takes for a loader: an iterable with a length, which a progress bar needs."""

    def __init__(self, data: GivenImages) -> None:
        self.data = data

    def __len__(self) -> int:
        return -(-len(self.data.files) // self.data.batch_size)

    def __iter__(self) -> Iterator[list[torch.Tensor]]:
        return self.data.batches()


def read(path: Path, prepare: PrepareConfig) -> Reading:
    """Read and prepare one file; whatever is wrong with it is said in the result."""
    try:
        # A pipe that is called like an image would be waited for.
        if not stat.S_ISREG(path.stat().st_mode):
            return Reading(None, cause="no plain file")
        data = path.read_bytes()
    except OSError as error:
        return Reading(None, cause=f"cannot be read ({error.strerror})")
    digest = hashlib.sha256(data).hexdigest()
    try:
        return Reading(prepare_alone(decode_image(data).pixels, prepare), digest)
    except (BrokenImageError, TooLargeError) as error:
        return Reading(None, digest, str(error))
    except (cv2.error, MemoryError) as error:
        return Reading(None, digest, f"cannot be prepared ({type(error).__name__})")


def thumbnails(files: Sequence[Path], side: int) -> list[np.ndarray]:
    """Read files whole and shrink each so that its longer side has at most ``side`` pixels: uint8 RGB, (h, w, 3).

    Raises:
        BrokenImageError: One cannot be read any more.
    """
    return list(_ahead(lambda file: _shrunk(read_image(file), side), files, BATCHES_AHEAD))


def _shrunk(image: np.ndarray, side: int) -> np.ndarray:
    share = min(1.0, side / max(image.shape[:2]))
    height, width = (max(1, round(length * share)) for length in image.shape[:2])
    return resize(image, (height, width), "area")


def _ahead(work: Callable[[Item], Result], items: Iterable[Item], ahead: int) -> Iterator[Result]:
    """Yield ``work(item)`` in the order of the items, from threads that are at most ``ahead`` items ahead."""
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
