"""Training images per second: transforms of each image by albumentations, against those of a whole batch."""

import numpy as np
import torch

from benchmarks.shared import time_in_turn
from common.config.data import TransformConfig
from common.config.defaults import group_defaults
from datamodules.image_datamodule import ImageDataModule
from datamodules.prepared_dataset import PreparedDataset
from datamodules.transforms.augmentation import Augmentation
from datamodules.transforms.batched_augmentation import BatchedAugmentation
from datamodules.transforms.resident import ImageKeys, ResidentImages

HEIGHT, WIDTH = 128, 48  # the canvas of the experiment chromosomes_best
IMAGES = 512
CASES = {
    "affine and light": {},
    "and bend": {"bend": 0.2},
    "and bend and blur": {"bend": 0.2, "blur": 1.0},
}


def measure(case: str, batch_size: int, rounds: int, device: str) -> dict[str, object]:
    """Time both ways to a batch of float images on a device, in turn.

    Args:
        case: One of `CASES`: strengths beside those of conf/transform/chromosomes.yaml.
        batch_size: Images per batch.
        rounds: How often each is timed.
        device: Where the network would be.

    Returns:
        A row: images per second of both, and their ratio; of the processor's time on the CPU, which other work on the
        machine changes little, by the clock on a GPU.
    """
    strengths = {**group_defaults("transform", "chromosomes"), **CASES[case]}
    rng = np.random.default_rng(0)
    gray = rng.integers(0, 256, (IMAGES, HEIGHT, WIDTH, 1), dtype=np.uint8)
    images = np.repeat(gray, 3, axis=3)
    rows = np.arange(IMAGES)
    dataset = PreparedDataset(images, rows, rows, augmentation=Augmentation(TransformConfig(**strengths), 0))
    resident = ResidentImages.load(images, rows).to(torch.device(device))
    batched = BatchedAugmentation(TransformConfig(**strengths | {"batched": True}), 0)

    def items(number: int) -> list[int]:
        return [(number * batch_size + position) % IMAGES for position in range(batch_size)]

    def one_by_one(number: int) -> None:
        batch = dataset.__getitems__([(number, item) for item in items(number)])
        ImageDataModule.on_after_batch_transfer(None, [part.to(device) for part in batch], 0)  # type: ignore[arg-type]
        _wait(device)

    def together(number: int) -> None:
        keys = ImageKeys.collate([(number, item, 0, 0) for item in items(number)])
        row = keys.row.to(device)
        epoch = keys.epoch.to(device)
        batched(resident.take(row), epoch, row, torch.zeros_like(row)).expand(-1, 3, -1, -1).contiguous()
        _wait(device)

    ways = {"albumentations": one_by_one, "batched": together}
    measured = 0 if device == "cpu" else 1
    seconds = {name: times[measured] for name, times in time_in_turn(ways, (), rounds, rounds).items()}
    rates = {f"{name}_per_second": batch_size / value for name, value in seconds.items()}
    ratio = seconds["albumentations"] / seconds["batched"]
    return {"case": case, "device": device, "batch": batch_size, **rates, "ratio": ratio}


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()
