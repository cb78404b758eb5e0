"""The overhead of train.py: its training step and a bare PyTorch loop, step by step in turn."""

import copy
import tempfile
import time
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
import torch.nn.functional as F
from pytorch_lightning import Callback, LightningModule, Trainer
from torch.utils.data import DataLoader

from common.config.compose import compose_config
from datamodules.image_datamodule import ImageDataModule
from datamodules.prepared_dataset import PreparedDataset, whole_batch
from lightning_modules.build import build_classifier
from lightning_modules.stages.fit import train_stages


class Case(NamedTuple):
    """A model and an image size; the step times differ by a factor of about thirty."""

    name: str
    model: str
    cut: str
    size: int
    batch: int
    heavy: bool = False


CASES = (
    Case("ResNet-18 to layer1, 32 px, batch 8", "resnet18", "layer1", size=32, batch=8),
    Case("ResNet-18 to layer2, 64 px, batch 8", "resnet18", "layer2", size=64, batch=8),
    Case("ResNet-50 to layer3, 96 px, batch 16", "resnet50", "layer3", size=96, batch=16, heavy=True),
)
COMMON = (
    "data=synthetic",
    "data.images=200",
    "data.subjects=20",
    "data.size=96",
    "weights=random",
    "unfreeze=whole",
    "split.near_duplicates=off",
    "callbacks.early_stopping.enabled=false",
    "trainer.accelerator=cpu",
    "trainer.enable_progress_bar=false",
    "trainer.limit_val_batches=1",
    "trainer.max_epochs=1000",
)


class BareLoop:
    """What a user would write by hand: a DataLoader, a forward pass, a loss, a backward pass, a step of Adam."""

    def __init__(self, model: LightningModule, dataset: PreparedDataset, batch_size: int, rate: float) -> None:
        self.model = copy.deepcopy(model).train()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=rate)
        self.loader: DataLoader[Any] = DataLoader(
            dataset, batch_size, shuffle=True, drop_last=True, collate_fn=whole_batch
        )
        self.batches: Iterator[Any] = chain.from_iterable(repeat(self.loader))  # endless

    def step(self) -> dict[str, float]:
        """Train on one batch and return the seconds of the step, and of it those until the batch was there."""
        start = time.perf_counter()
        image, label, _ = next(self.batches)
        image = image.float() / 255
        fetched = time.perf_counter()
        loss = F.binary_cross_entropy_with_logits(self.model(image), label.float().unsqueeze(1))
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        self.optimizer.step()
        return {"bare": time.perf_counter() - start, "bare_fetch": fetched - start}


class InTurn(Callback):
    """After each step of ours, run a bare one. The last of the callbacks, so that the others count as ours."""

    def __init__(self, bare: BareLoop, steps: int) -> None:
        self.bare = bare
        self.steps = steps
        self.times: list[dict[str, float]] = []
        self._end = 0.0
        self._fetched = 0.0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """An epoch's start is no part of a step."""
        self._end = time.perf_counter()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """The batch is there, and the other callbacks have had their turn before the step."""
        self._fetched = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Our step ends here; now the bare one's turn. The epoch's last, smaller batch is left out."""
        now = time.perf_counter()
        if len(batch["label"]) == self.bare.loader.batch_size:
            self.times.append({"ours": now - self._end, "ours_fetch": self._fetched - self._end, **self.bare.step()})
        trainer.should_stop = trainer.should_stop or len(self.times) >= self.steps
        self._end = time.perf_counter()


def measure(case: Case, steps: int) -> dict[str, Any]:
    """Train ``case`` both ways, in turn, and return the medians of the step times in milliseconds.

    ``fetch`` is the way of a batch from the cache to the model; the rest of a step is the network, and with ours the
    logging, the metrics and the callbacks.
    """
    network = [f"model={case.model}", f"model.cut={case.cut}", f"prepare.size={case.size}"]
    with tempfile.TemporaryDirectory() as folder:
        folders = [f"cache_dir={folder}/cache", f"output_dir={folder}/outputs"]
        config = compose_config([*COMMON, *network, f"loader.batch_size={case.batch}", *folders])
        data = ImageDataModule.from_config(config, progress=False)
        data.setup()
        model, _ = build_classifier(config, data.manifest.classes, None)
        dataset = PreparedDataset(data.images, data.plan.rows, data.labels, prepare=config.prepare)
        in_turn = InTurn(BareLoop(model, dataset, case.batch, config.unfreeze.stages["all"].lr), steps)
        train_stages(model, data, config, Path(folder) / "run", callbacks=[in_turn])
    times = pd.DataFrame(in_turn.times[len(in_turn.times) // 10 :])
    medians = (1000 * times.median()).add_suffix("_ms").to_dict()
    return {"case": case.name, "steps": len(times), **medians, "ratio": medians["bare_ms"] / medians["ours_ms"]}
