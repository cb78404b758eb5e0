"""From files to the first batch: cold, where each is read and prepared, and warm, where only its times are asked."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder

from benchmarks.speed.case import Case, Peer
from benchmarks.speed.data_path import BATCH, SIDE, SIZE, PlainDataset
from datamodules.datasets import FolderDataModule

IMAGES = 600  # of each format
FORMATS = (".bmp", ".png", ".jpg")
SMALL = 10_000  # images of a warm start, of the size of chromosomes
SMALL_SIDES = (60, 30)
CLASSES = 24
RACY_SECONDS = 2.1  # files that are younger are read again at the next start


def cases(folder: Path) -> Iterator[Case]:
    """Yield the cases: cold starts with images of 450 pixels a side, and a warm one with many small images."""
    for suffix in FORMATS:
        files = _write(folder / suffix[1:], suffix, IMAGES, (SIDE, SIDE), 2)
        yield _cold(f"cold start, {IMAGES} {suffix[1:].upper()} images", folder / suffix[1:], files)
    _write(folder / "small", ".png", SMALL, SMALL_SIDES, CLASSES)
    time.sleep(RACY_SECONDS)
    data = folder / "small"
    cache = folder / "warm"
    _first_batch(data, cache, 64)
    peers = {"ImageFolder, which lists only": Peer(lambda: ImageFolder(str(data)), packages=("torchvision",))}
    yield Case(
        f"warm start, {SMALL:,} images", lambda: _first_batch(data, cache, 64), peers, SMALL, rounds=3, by_clock=True
    )


def _cold(name: str, data: Path, files: list[str]) -> Case:
    def ours() -> None:
        shutil.rmtree(data.with_name("cold"), ignore_errors=True)
        _first_batch(data, data.with_name("cold"), SIZE)

    def decode() -> None:
        for file in files:
            cv2.imread(file)

    def epoch() -> None:
        for _ in DataLoader(PlainDataset(files, turned=False), BATCH):
            pass

    peers = {
        "decoding with OpenCV": Peer(decode, 1 / 1.3, ("opencv-python-headless",)),
        "epoch of a plain Dataset": Peer(epoch, None, ("albumentations",)),
    }
    return Case(name, ours, peers, len(files), rounds=2)


def _first_batch(data: Path, cache: Path, size: int) -> None:
    two = len(list(data.iterdir())) == 2
    module = FolderDataModule(
        data_dir=data,
        positive_class="1" if two else None,
        protocol="image",
        cache_dir=cache,
        prepare={"size": size},
        loader={"batch_size": BATCH},
        split={"validation": 0.1},
        progress=False,
    )
    module.prepare_data()
    module.setup()
    next(iter(module.train_dataloader()))


def _write(folder: Path, suffix: str, count: int, sides: tuple[int, int], classes: int) -> list[str]:
    """Write smooth noise into class folders; return the files."""
    rng = np.random.default_rng(0)
    files = []
    for number in range(count):
        place = folder / str(number % classes) / f"{number:05}{suffix}"
        place.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place), cv2.resize(rng.integers(0, 256, (16, 16, 3), np.uint8), sides[::-1]))
        files.append(str(place))
    return files
