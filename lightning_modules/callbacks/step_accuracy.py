"""The accuracy of each optimiser step's images, for the callbacks of paper 002."""

from dataclasses import dataclass
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from lightning_modules.processes import summed


@dataclass(frozen=True)
class Hits:
    """How many of a mini-batch's images were called rightly.

    Attributes:
        correct: int64, scalar; it stays on its device, so that only who reads it waits for it.
        images: How many there were; where processes share the mini-batch, as ``correct``.
    """

    correct: torch.Tensor
    images: int | torch.Tensor

    @property
    def accuracy(self) -> float:
        """The share of the images that were called rightly, in [0, 1]."""
        return int(self.correct) / int(self.images)


class StepAccuracy(Callback):
    """Calls ``after_step`` with the hits of the mini-batch after each optimiser step.

    A mini-batch is what a step is made of: the images of all processes and, where gradients are accumulated, several
    batches. So every process comes to the same decision. Nothing of a half
    accumulated step is kept for a resume, since ``ResumeCheckpoint`` saves right after a step.
    """

    def __init__(self) -> None:
        self._step_before = 0
        self._batches: list[Hits] = []

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Note how many steps the optimiser has taken."""
        self._step_before = trainer.global_step

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the hits of the batch and, after a step, hand on those of the mini-batch."""
        correct = outputs["correct"]
        self._batches.append(Hits(correct.sum(), len(correct)))
        if trainer.global_step == self._step_before:
            return
        batches, self._batches = self._batches, []
        hits = Hits(torch.stack([each.correct for each in batches]).sum(), sum(each.images for each in batches))
        self.after_step(trainer, pl_module, hits if trainer.world_size == 1 else _of_all(hits))

    def after_step(self, trainer: Trainer, pl_module: LightningModule, hits: Hits) -> None:
        """Take the hits of the mini-batch whose step has just been taken; called before the validation."""


def _of_all(hits: Hits) -> Hits:
    """The hits of this process together with those of the others."""
    correct, images = summed(torch.stack([hits.correct, torch.full_like(hits.correct, hits.images)]))
    return Hits(correct, images)
