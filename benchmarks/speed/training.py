"""Trainings: an epoch beside one that a good engineer writes by hand; ``memory`` has whole runs."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import timm
import torch

from benchmarks.shared import write_images
from benchmarks.speed import plain
from benchmarks.speed.case import Case
from datamodules.image_datamodule import ImageDataModule
from karyocyte.composition.compose import compose_config
from karyocyte.config.schema import as_classifier
from lightning_modules.build.build import build_classifier
from lightning_modules.training.fit import train_stages

# Images, of which three fifths train; network, size, batch.
EPOCHS = ((1200, "resnet18", 32, 8), (1200, "resnet18", 64, 32), (240, "mobilenetv2_100", 224, 16))
BY_HAND = "loop by hand"
PACKAGES = ("timm", "pytorch-lightning")
NUMBERS = count()


def cases(folder: Path) -> Iterator[Case]:
    """Yield the cases; the goal is 1.03 of the time of the work by hand."""
    for images in {images for images, *_ in EPOCHS}:
        write_images(folder / str(images) / "images", images)
    for images, network, size, batch in EPOCHS:
        yield _epoch(folder / str(images), network, size, batch)


def settings(folder: Path, network: str, size: int, batch: int, epochs: int) -> list[str]:
    """Return the words of train.py for ``folder``/images, of a network as ``plain`` names it, with a new cache."""
    name, _, cut = network.partition(" to ")
    place = folder / str(next(NUMBERS))
    return [
        "data=folder", f"data_dir={folder}/images", "data.positive_class=b", "protocol=image", "weights=random",
        "unfreeze=whole", f"unfreeze.lr={plain.RATE}", f"model.name={name}", f"model.cut={cut or 'null'}",
        f"prepare.size={size}", "prepare.crop=false", f"loader.batch_size={batch}", f"trainer.max_epochs={epochs}",
        "trainer.accelerator=cpu", f"cache_dir={place}/cache", f"output_dir={place}",
    ]  # fmt: skip


def _epoch(folder: Path, network: str, size: int, batch: int) -> Case:
    """Training, validation and the saved weights of an epoch; images are in memory, or in the cache."""
    config = as_classifier(compose_config(settings(folder, network, size, batch, 1)))
    data = ImageDataModule(config, progress=False)
    data.setup()
    data.prepare_data()
    rows = (data.plan.rows, data.rows("validation"))
    labels = torch.from_numpy(np.asarray(data.labels)).float()
    training = plain.PlainTraining(timm.create_model(network, num_classes=1), np.asarray(data.images), labels, batch)

    def ours() -> None:
        """Train an epoch by Karyocyte."""
        model = build_classifier(config, data.manifest.classes)[0]
        train_stages(model, data, config, folder / str(next(NUMBERS)))

    def by_hand() -> None:
        """Train an epoch without it."""
        training.epoch(*rows, folder / "best.pt")

    return Case(f"epoch, {network}, {size} px", ours, BY_HAND, by_hand, 0.97, PACKAGES, len(rows[0]))
