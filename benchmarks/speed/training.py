"""A training step of train.py, and a PyTorch loop as a user writes it by hand, each in a process of its own."""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from pytorch_lightning import Callback, LightningModule, Trainer
from torch.utils.data import DataLoader, Dataset

from benchmarks.speed.case import Case, Peer
from common.config.compose import compose_config
from common.config.schema import Config
from datamodules.datasets import data_module
from datamodules.image_datamodule import ImageDataModule
from lightning_modules.build import build_classifier
from lightning_modules.classifier import Classifier
from lightning_modules.training.fit import train_stages
from lightning_modules.training.trainer import set_up_torch

SETTINGS = (
    "data=synthetic",
    "data.images=120",
    "data.subjects=20",
    "weights=random",
    "unfreeze=whole",
    "split.near_duplicates=off",
    "callbacks.early_stopping.enabled=false",
    "trainer.accelerator=cpu",
    "trainer.precision=32-true",
    "trainer.enable_progress_bar=false",
    "trainer.limit_val_batches=1",
    "trainer.max_epochs=1",
)


@dataclass(frozen=True)
class Step:
    """A network and its batch; `goal` is how many times as fast as the loop by hand it is wanted to be."""

    name: str
    model: str
    cut: str
    size: int
    batch: int
    rounds: int
    goal: float = 0.97

    def config(self, folder: Path) -> Config:
        """Return the configuration of train.py."""
        network = [f"model={self.model}", f"model.cut={self.cut}", f"prepare.size={self.size}"]
        data = [f"data.size={self.size}", f"loader.batch_size={self.batch}"]
        return compose_config([*SETTINGS, *network, *data, f"cache_dir={folder}/cache", f"output_dir={folder}/outputs"])


STEPS = (
    Step("ResNet-18 to layer1, 32 px, batch 8", "resnet18", "layer1", 32, 8, 9),
    Step("ResNet-18 to layer2, 64 px, batch 8", "resnet18", "layer2", 64, 8, 7),
    Step("ResNet-50 to layer3, 96 px, batch 16", "resnet50", "layer3", 96, 16, 5),
    Step("MobileNetV2, 224 px, batch 16", "mobilenetv2", "null", 224, 16, 3),
    Step("ResNet-50 to layer3, 224 px, batch 16", "resnet50", "layer3", 224, 16, 3),
)


def cases(folder: Path) -> Iterator[Case]:
    """Yield a case per step."""
    threads = torch.get_num_threads()
    for step in STEPS:
        with _Process() as ours, _Process() as by_hand:
            place = folder / step.model / str(step.size)
            peers = {"loop by hand": Peer(by_hand.calling(train_by_hand, step, place, threads), step.goal)}
            yield Case(step.name, ours.calling(train, step, place, threads), peers, step.batch, step.rounds)


class _Process(ProcessPoolExecutor):
    """A new process, with nothing of this one in its memory."""

    def __init__(self) -> None:
        super().__init__(1, get_context("spawn"))

    def calling(self, train: Callable[..., float], *arguments: object) -> Callable[[], float]:
        """Return a function that trains an epoch there, and returns the processor's seconds of a step."""
        return lambda: self.submit(train, *arguments).result()


def train(step: Step, folder: Path, threads: int) -> float:
    """Train an epoch as train.py does; return the seconds of a step."""
    set_up_torch()
    torch.set_num_threads(threads)
    config = step.config(folder)
    data, model = _data_and_model(config)
    ends = StepEnds(step.batch)
    with TemporaryDirectory() as run:
        train_stages(model, data, config, Path(run), callbacks=[ends])
    return ends.seconds


class StepEnds(Callback):
    """The last of the callbacks, so that the others count; the first step of an epoch and smaller batches do not."""

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size
        self.ends: list[float] = []

    @property
    def seconds(self) -> float:
        """The mean of the processor's seconds from one end to the next."""
        return (self.ends[-1] - self.ends[0]) / (len(self.ends) - 1)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note the time."""
        if self.batch_size == len(batch["label"]):
            self.ends.append(time.process_time())


def train_by_hand(step: Step, folder: Path, threads: int) -> float:
    """Train the same network on the same prepared images with a DataLoader, a forward and a backward pass, and Adam."""
    os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)  # Lightning's, which slows Adam down
    torch.set_flush_denormal(True)
    torch.set_num_threads(threads)
    config = step.config(folder)
    data, model = _data_and_model(config)
    optimizer = torch.optim.Adam(model.train().parameters(), lr=config.unfreeze.stages["all"].lr)
    dataset = _Items(data.images, data.plan.rows, data.labels)
    ends = StepEnds(step.batch)
    for image, label in DataLoader(dataset, step.batch, shuffle=True, drop_last=True):
        loss = F.binary_cross_entropy_with_logits(model(image), label.float().unsqueeze(1))
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        ends.ends.append(time.process_time())
    return ends.seconds


class _Items(Dataset[tuple[torch.Tensor, int]]):
    """The prepared images of manifest rows, one by one."""

    def __init__(self, images: Any, rows: np.ndarray, labels: np.ndarray) -> None:
        self.images = images
        self.rows = rows
        self.labels = labels

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, item: int) -> tuple[torch.Tensor, int]:
        row = int(self.rows[item])
        return torch.from_numpy(self.images[row].transpose(2, 0, 1).copy()).float() / 255, int(self.labels[row])


def _data_and_model(config: Config) -> tuple[ImageDataModule, Classifier]:
    data = data_module(config, progress=False)
    data.setup()
    return data, build_classifier(config, data.manifest.classes)[0]
