"""Image files that are not part of a data set, read and prepared while a model predicts."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import cv2
import numpy as np

from datamodules.inference.image_files import ImageFile
from datamodules.io.decode import BrokenImageError, Decoded, decode_array, decode_image, read_plain_file
from datamodules.io.progress import in_threads
from datamodules.io.resize import TooLargeError
from datamodules.preprocessing.pipeline import prepare_single
from karyocyte.config.data import PrepareConfig


@dataclass(eq=False)
class ImageFileBatches:
    """Prepared image files in batches, uint8 (B, 3, H, W), in their order.

    Files that cannot be used are left out and noted, and so is a batch without any other. While a batch is used, the
    next files are read and prepared by all processors. What is noted by position is complete once all files are served.
    """

    files: Sequence[ImageFile]  # the files, or images in memory
    prepare: PrepareConfig  # one that ``scales_by_cell`` takes the scale from the width of each chromosome
    batch_size: int  # of a batch without broken files
    advance: Callable[[int], None] = lambda count: None  # is told the number of files of each batch once it is ready
    causes: dict[int, str] = field(default_factory=dict)  # why a file cannot be used, by its position
    hashes: dict[int, str] = field(default_factory=dict)  # SHA-256 of the files that could be read, by position
    notes: dict[int, str] = field(default_factory=dict)  # what was chosen in these (`Decoded.note`), by position
    means: dict[int, float] = field(default_factory=dict)  # value of the prepared images, 0 to 255, by position

    def __iter__(self) -> Iterator[np.ndarray]:
        prepared = in_threads(self._prepared, range(len(self.files)))
        while batch := list(islice(prepared, self.batch_size)):
            self.advance(len(batch))
            usable = [image for image in batch if image is not None]
            if usable:
                yield np.stack(usable).transpose(0, 3, 1, 2).copy()

    @property
    def usable_positions(self) -> np.ndarray:
        """The positions of the files that can be used, int64, shape (N,)."""
        return np.setdiff1d(np.arange(len(self.files)), list(self.causes))

    def prepared_files(self, rows: Iterable[int]) -> np.ndarray:
        """Return the files of some positions that can be used, prepared: uint8 RGB, shape (N, H, W, 3)."""
        images = [image for image in in_threads(self._prepared, rows) if image is not None]
        return np.stack(images) if images else np.zeros((0, 0, 0, 3), np.uint8)

    def _prepared(self, row: int) -> np.ndarray | None:
        try:
            image = self._decoded(row)
            self.notes[row] = image.note
            prepared = prepare_single(image.pixels, self.prepare)
            self.means[row] = float(prepared.mean())
            return prepared
        except (BrokenImageError, TooLargeError) as error:
            self.causes[row] = str(error)
        except (cv2.error, MemoryError) as error:
            self.causes[row] = f"cannot be prepared ({type(error).__name__})"
        return None

    def _decoded(self, row: int) -> Decoded:
        file = self.files[row]
        if file.pixels is not None:
            return decode_array(file.pixels)
        data = read_plain_file(file.path)
        self.hashes[row] = hashlib.sha256(data).hexdigest()
        return decode_image(data, self.prepare.background)
