"""Training images in memory or on a device, whole: a batch of them is one indexing operation."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from datamodules.preprocessing.checked_images import CheckedImages
from datamodules.transforms.expansion import ExpandedImages

Images = CheckedImages | ExpandedImages | list[np.ndarray]
Key = tuple[int, int, int, int]


class ImageKeys(NamedTuple):
    """What determines the transformed images of a training batch, and their classes: each int64, shape (B,)."""

    epoch: torch.Tensor
    row: torch.Tensor
    copy: torch.Tensor
    label: torch.Tensor

    @classmethod
    def collate(cls, keys: list[Key]) -> "ImageKeys":
        """Make a batch of items of `KeyDataset`."""
        return cls(*torch.tensor(keys).T.contiguous())


class KeyDataset(Dataset[Key]):
    """The keys of training images by (epoch, item): epoch, manifest row, copy and class index.

    Args:
        rows: The manifest row of each item, int64, shape (items,).
        copies: 0 for an original, n for the n-th added copy of a row, int64, shape (items,).
        labels: The class index of each manifest row, int64.
    """

    def __init__(self, rows: np.ndarray, copies: np.ndarray, labels: np.ndarray) -> None:
        self.rows = rows
        self.copies = copies
        self.labels = labels

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: tuple[int, int]) -> Key:
        epoch, item = key
        row = int(self.rows[item])
        return epoch, row, int(self.copies[item]), int(self.labels[row])


@dataclass(frozen=True)
class DeviceImages:
    """Some rows of the prepared images."""

    rows: torch.Tensor  # manifest rows, int64, ascending, shape (N,)
    pixels: torch.Tensor  # uint8, shape (N, C, H, W); C = 1 where the three channels of every image are equal

    @classmethod
    def load(cls, images: Images, rows: np.ndarray) -> "DeviceImages":
        """Copy the images (H, W, 3), uint8, of some manifest rows into memory, each once."""
        rows = np.unique(rows)
        height, width, channels = np.asarray(images[int(rows[0])]).shape
        if all((image[..., :1] == image).all() for image in (np.asarray(images[row]) for row in rows.tolist())):
            channels = 1  # all are gray
        pixels = np.empty((len(rows), channels, height, width), np.uint8)
        for position, row in enumerate(rows.tolist()):
            pixels[position] = np.asarray(images[row]).transpose(2, 0, 1)[: pixels.shape[1]]
        return cls(torch.from_numpy(rows), torch.from_numpy(pixels))

    def to(self, device: torch.device) -> "DeviceImages":
        """Return the images on a device: these themselves, where they are there."""
        if self.pixels.device == device:
            return self
        return replace(self, rows=self.rows.to(device), pixels=self.pixels.to(device))

    def take(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the images of manifest rows (B,), each of which must be there: uint8, shape (B, C, H, W)."""
        return self.pixels[torch.searchsorted(self.rows, rows)]
