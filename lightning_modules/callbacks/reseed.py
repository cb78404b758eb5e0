"""Dropout and its like as a pure function of (seed, stage, epoch, batch, process)."""

from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from common.seeds import derive_seed
from lightning_modules.compat import seed_cpu


class StepSeed(Callback):
    """Reseed torch before every training batch, so that a resumed run draws what the undisturbed one would have.

    Lightning saves no generator state; with this, none is needed. A reseed takes some microseconds.

    Each process draws for its own images, so a run of several processes drops other values than one of a single process
    at the same global batch: as with another seed, results differ by more than rounding where a network has dropout.
    """

    def __init__(self, seed: int, stage: int) -> None:
        self.seed = seed
        self.stage = stage

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Seed torch for this batch."""
        place = (self.stage, trainer.current_epoch, batch_idx, trainer.global_rank)
        seed = derive_seed("dropout", self.seed, *place)
        seed_cpu(seed)
        if pl_module.device.type == "cuda":
            torch.cuda.manual_seed(seed)
