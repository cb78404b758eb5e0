"""Prepared images as the batches of a DataLoader, augmented."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset

from datamodules.preprocessing.pipeline import to_shape
from datamodules.transforms.expansion import Images
from karyocyte.config.data import PrepareConfig

# (epoch, item), or the item alone.
Key = tuple[int, int] | int
# Images uint8 (B, 3, H, W), labels and manifest rows, each int64 (B,).
Batch = list[torch.Tensor]
# Changes an image (H, W, 3), uint8, by its epoch, manifest row and number of the copy.
Change = Callable[[np.ndarray, int, int, int], np.ndarray]


@dataclass(eq=False)
class PreparedDataset(Dataset[Batch]):
    """Images of the prepared cache, augmented and resized to ``prepare.shape`` where those are given.

    A batch is fetched as a whole: a DataLoader needs ``collate_fn=whole_batch``.
    """

    images: Images  # by manifest row
    rows: np.ndarray  # the manifest row of each item, int64, shape (items,)
    labels: np.ndarray  # the class index of each manifest row, int64
    copies: np.ndarray  # 0 for an original, n for the n-th added copy of a row, int64, shape (items,)
    augmentation: Change | None = None  # changes an image; None: nothing does
    prepare: PrepareConfig | None = None  # says the shape of an image; None: as it is

    def __len__(self) -> int:
        return len(self.rows)

    def __getitems__(self, keys: Sequence[Key]) -> Batch:
        """Return a batch."""
        epochs, items = epochs_and_items(keys)
        rows = self.rows[items]
        drawn = zip(epochs.tolist(), rows.tolist(), self.copies[items].tolist(), strict=True)
        images = [self._image(epoch, row, copy) for epoch, row, copy in drawn]
        # The channels stay last in memory, as in the cache: a device separates them faster.
        image = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
        return [image, *map(torch.from_numpy, (self.labels[rows], rows))]

    def _image(self, epoch: int, row: int, copy: int) -> np.ndarray:
        image = np.asarray(self.images[row])
        if self.augmentation is not None:
            image = self.augmentation(image, epoch, row, copy)
        if self.prepare is not None:
            image = to_shape(image, self.prepare)
        return image


def epochs_and_items(keys: Sequence[Key]) -> tuple[np.ndarray, np.ndarray]:
    """Return the epochs, 0 where a key has none, and the items of keys, each int64, shape (B,)."""
    numbers = np.array(keys, np.int64).reshape(len(keys), -1)
    if numbers.shape[1] == 1:
        return np.zeros_like(numbers[:, 0]), numbers[:, 0]
    return numbers[:, 0], numbers[:, 1]


def whole_batch(batch: Batch) -> Batch:
    """Return what `PreparedDataset` has fetched: the ``collate_fn`` of its DataLoader."""
    return batch
