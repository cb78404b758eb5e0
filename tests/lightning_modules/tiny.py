"""Trainings of a second: data in memory, a small classifier, weights files, callbacks that watch or end a training."""

from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from pytorch_lightning import Callback, LightningDataModule, Trainer
from torch import nn
from torch.utils.data import DataLoader, Dataset

from datamodules.samplers import EpochBatchSampler
from karyocyte.common.compat import position_in_epoch
from karyocyte.config.schema import Config
from karyocyte.evaluation.metrics.classification import lower_is_better
from lightning_modules.build.build import build_classifier
from lightning_modules.modules.classifier import Classifier
from lightning_modules.training.fit import FinishedStage, StagedTraining


def save_weights(folder: Path, state: dict[str, torch.Tensor], name: str = "own.safetensors") -> str:
    """Write a weights file, and the scale of its images; return its path as a user would type it."""
    path = folder / name
    torch.save(state, path) if path.suffix == ".pth" else safetensors.torch.save_file(state, path)
    Path(f"{path}.json").write_text('{"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}')
    return str(path)


class Items(Dataset):
    """(image, label, index) by (epoch, item) or by item."""

    def __init__(self, images: torch.Tensor) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, key):
        item = key[1] if isinstance(key, tuple) else key
        return self.images[item], item % 2, item


class MemoryData(LightningDataModule):
    """32 images of noise of 32 px, whose brightness tells the class: odd items are brighter."""

    def __init__(self, count: int = 32, size: int = 32, batch_size: int = 4) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        images = torch.randint(0, 150, (count, 3, size, size), generator=generator)
        self.images = (images + 60 * (torch.arange(count) % 2).view(-1, 1, 1, 1)).to(torch.uint8)
        self.batch_size = batch_size

    def train_dataloader(self) -> DataLoader:
        sampler = EpochBatchSampler(len(self.images), self.batch_size, 0, lambda: position_in_epoch(self.trainer))
        return DataLoader(Items(self.images), batch_sampler=sampler)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(Items(self.images), batch_size=8)

    def predict_dataloader(self) -> DataLoader:
        return self.val_dataloader()

    def on_after_batch_transfer(self, batch, dataloader_idx):
        return {"image": batch[0].float() / 255, "label": batch[1], "index": batch[2]}


def build(config: Config) -> Classifier:
    return build_classifier(config, ("hem", "all"))[0]


def train(
    config: Config, run: Path, *callbacks: Callback, model: Classifier | None = None
) -> tuple[Classifier, list[FinishedStage]]:
    """Train all stages, or those that are left."""
    model = model or build(config)
    mode = "min" if lower_is_better(config.callbacks.monitor) else "max"
    return model, StagedTraining(model, MemoryData(), config, run, callbacks, mode=mode).train()


def quiet_trainer(*callbacks: Callback, **how: Any) -> Trainer:
    """Return a trainer on the CPU that shows, logs and saves nothing unless it is told to."""
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    return Trainer(accelerator="cpu", callbacks=list(callbacks), **{**quiet, **how})


def fit_a_batch(model: Any) -> tuple[Trainer, DataLoader]:
    """Train a classifier for a step on four images of noise; return the trainer and the loader of that batch."""
    batch = {"image": torch.rand(4, 3, 32, 32), "label": torch.arange(4) % model.num_classes, "index": torch.arange(4)}
    loader = DataLoader([batch], batch_size=None)
    trainer = quiet_trainer(fast_dev_run=True)
    trainer.fit(model, loader, loader)
    return trainer, loader


def weights_of(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def assert_equal_weights(ours: nn.Module | dict, theirs: nn.Module | dict) -> None:
    """Check that two models, or their states, are equal bit for bit."""
    ours, theirs = (each.state_dict() if isinstance(each, nn.Module) else each for each in (ours, theirs))
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


class Watch(Callback):
    """Keeps the rate of each batch, the weights that a stage starts from and after each step; may end the training."""

    def __init__(self, kill: int | None = None) -> None:
        self.kill = kill
        self.rates: list[float] = []
        self.starts: list[dict[str, torch.Tensor]] = []
        self.weights: dict[int, dict[str, torch.Tensor]] = {}
        self.validated: list[float] = []

    def on_train_start(self, trainer, pl_module):
        self.starts.append(weights_of(pl_module))

    def on_train_batch_start(self, trainer, *rest):
        if trainer.global_step == self.kill:
            raise RuntimeError("killed")
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_batch_end(self, trainer, pl_module, *rest):
        if trainer.global_step > max(self.weights, default=0):
            self.weights[trainer.global_step] = weights_of(pl_module)

    def on_validation_epoch_end(self, trainer, pl_module):
        self.validated.append(float(trainer.callback_metrics["val/loss"]))


@contextmanager
def killed_at_its_end():
    """Let a training end right before its stage is recorded as finished."""

    def fail(*_):
        raise RuntimeError("killed")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lightning_modules.training.fit.write_json", fail)
        with pytest.raises(RuntimeError, match="killed"):
            yield
