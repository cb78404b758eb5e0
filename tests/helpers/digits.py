"""Writes tiny MNIST and CIFAR-10 sets in the forms that torchvision reads."""

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest

from datamodules.sources.cifar10 import CLASSES


def digit_arrays(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images, uint8 (count, 28, 28), and labels 0, 1, ..., 9, 0, ..., uint8 (count,)."""
    images = np.zeros((count, 28, 28), np.uint8)
    images[:, 4:24, 4:24] = np.random.default_rng(seed).integers(0, 255, (count, 20, 20), np.uint8)
    return images, (np.arange(count) % 10).astype(np.uint8)


def write_mnist(root: Path, train: int = 40, test: int = 20) -> Path:
    """Write the four IDX files where torchvision looks for them: magic number, sizes, bytes."""
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (part, count) in enumerate((("train", train), ("t10k", test))):
        for name, array in zip(("images-idx3", "labels-idx1"), digit_arrays(count, seed), strict=True):
            header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
            (folder / f"{part}-{name}-ubyte").write_bytes(header + array.tobytes())
    return root


def write_batches(root: Path, monkeypatch: pytest.MonkeyPatch, per_batch: int = 10) -> Path:
    """Write ``cifar-10-batches-py`` and let torchvision take its checksums for the published ones."""
    from torchvision.datasets import CIFAR10

    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)

    def write(name: str, value: dict) -> list[str]:
        (folder / name).write_bytes(pickle.dumps(value))
        return [name, hashlib.md5((folder / name).read_bytes()).hexdigest()]

    labels = [number % 10 for number in range(per_batch)]
    batches = []
    for name in [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]:
        batches.append(write(name, {"data": rng.integers(0, 255, (per_batch, 3072), np.uint8), "labels": labels}))
    name, md5 = write("batches.meta", {"label_names": list(CLASSES)})
    monkeypatch.setattr(CIFAR10, "train_list", batches[:-1])
    monkeypatch.setattr(CIFAR10, "test_list", batches[-1:])
    monkeypatch.setattr(CIFAR10, "meta", {"filename": name, "key": "label_names", "md5": md5})
    return root
