"""From the prepared images of a later epoch to batches: the data module, and what a user would write instead."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from benchmarks.speed.case import Case, Peer
from datamodules.datasets import FolderDataModule
from datamodules.image_datamodule import ImageDataModule
from datamodules.transforms.operations import turns
from karyocyte.config.data import TransformConfig

IMAGES = 2000
SIDE = 450  # pixels of the files, as those of C-NMC
SIZE = 224
BATCH = 64
TRANSFORMS = {"as they are": "none", "flips and turns": "flips_rotations"}
# Of images, shape (B, H, W, C).
TURNS: tuple[Callable[[np.ndarray], np.ndarray], ...] = (
    partial(np.flip, axis=2),
    partial(np.flip, axis=1),
    *(partial(np.rot90, k=number, axes=(1, 2)) for number in (1, 2, 3)),
)


def cases(folder: Path) -> Iterator[Case]:
    """Yield the cases: an epoch of the 1,200 training images at 224 px."""
    write_images(folder / "images", IMAGES, ".bmp")
    for words, transform in TRANSFORMS.items():
        data = _data(folder, transform)
        yield _case(words, data, transform != "none")


def _data(folder: Path, transform: str) -> ImageDataModule:
    data = FolderDataModule(
        data_dir=folder / "images",
        positive_class="b",
        protocol="image",
        cache_dir=folder / "cache",
        prepare={"size": SIZE, "crop": False, "clahe": False},
        transform=transform,
        loader={"batch_size": BATCH, "workers": 0},
        split={"validation": 0.1, "near_duplicates": "off"},
        progress=False,
    )
    data.setup()
    return data


def write_images(folder: Path, number: int, suffix: str) -> None:
    """Write smooth noise as images of two classes, "a" and "b"."""
    rng = np.random.default_rng(0)
    for name in range(number):
        place = folder / "ab"[name % 2] / f"{name:05}{suffix}"
        place.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place), cv2.resize(rng.integers(0, 256, (16, 16, 3), np.uint8), (SIDE, SIDE)))


def _case(name: str, data: ImageDataModule, turned: bool) -> Case:
    files = [str(data.manifest.file(int(row))) for row in data.plan.rows]
    plain = DataLoader(PlainDataset(files, turned), BATCH, shuffle=True)
    memory = np.asarray(data.images)[data.plan.rows]
    peers = {
        "Dataset, albumentations": Peer(lambda: _consume(plain), 10.0, ("albumentations",)),
        "batched read of memory": Peer(lambda: _read_batches(memory, turned), 0.8),
    }
    return Case(name, lambda: _consume(data.train_dataloader()), peers, len(files), rounds=3)


class PlainDataset(Dataset[tuple[torch.Tensor, int]]):
    """Reads, resizes and augments each file in every epoch."""

    def __init__(self, files: list[str], turned: bool) -> None:
        self.files = files
        self.turns = turns(TransformConfig(flips=turned, rotations=turned), 0.8)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, item: int) -> tuple[torch.Tensor, int]:
        image = cv2.cvtColor(cv2.imread(self.files[item]), cv2.COLOR_BGR2RGB)  # type: ignore[arg-type] # None without a file
        image = cv2.resize(image, (SIZE, SIZE))
        for turn in self.turns:
            image = turn(image=image)["image"]
        return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))), item


def _consume(loader: DataLoader[object]) -> None:
    for _ in loader:
        pass


def _read_batches(images: np.ndarray, turned: bool) -> None:
    """Take whole batches of an array; turn a part of each by slicing."""
    rng = np.random.default_rng()
    order = rng.permutation(len(images))
    for first in range(0, len(order), BATCH):
        batch = images[order[first : first + BATCH]]
        if turned:
            drawn = rng.integers(len(TURNS) + 1, size=len(batch))
            for kind, turn in enumerate(TURNS):
                batch[drawn == kind] = turn(batch[drawn == kind])
        torch.from_numpy(batch)
