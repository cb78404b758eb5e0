"""The accuracy of each optimiser step's images, for the callbacks of paper 002."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from common.config.schema import CheckAndAdjustConfig, LevelConfig
from common.files import atomic_path
from lightning_modules.callbacks.ema import averaged_weights
from lightning_modules.distributed import all_reduce_sum


@dataclass(frozen=True)
class Hits:
    """How many of a mini-batch's images were classified correctly.

    Attributes:
        correct: int64, scalar; it stays on its device, so that only who reads it waits for it.
        images: How many there were; where processes share the mini-batch, as ``correct``.
    """

    correct: torch.Tensor
    images: int | torch.Tensor

    @property
    def accuracy(self) -> float:
        """The share of the images that were classified correctly, in [0, 1]."""
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
        batches = self._batches
        self._batches = []
        hits = Hits(torch.stack([each.correct for each in batches]).sum(), sum(each.images for each in batches))
        self.after_step(trainer, pl_module, hits if trainer.world_size == 1 else _of_all(hits))

    def after_step(self, trainer: Trainer, pl_module: LightningModule, hits: Hits) -> None:
        """Take the hits of the mini-batch whose step has just been taken; called before the validation."""


def _of_all(hits: Hits) -> Hits:
    """The hits of this process together with those of the others."""
    correct, images = all_reduce_sum(torch.stack([hits.correct, torch.full_like(hits.correct, int(hits.images))]))
    return Hits(correct, images)


# Shares of images are compared: 0.8 - 0.7 must not exceed a gate of 0.1 by a rounding.
ROUNDING = 1e-9


def adjust(best: float, levels: Sequence[LevelConfig], rate: float) -> tuple[float, float]:
    """Return the gate and the learning rate of the highest level that ``best`` exceeds (steps 1 and 2).

    Below the first level, of which the paper says nothing, the gate is 0 (any progress is saved) and the rate the
    stage's own.

    Args:
        best: The best mini-batch accuracy before this check, in [0, 1].
        levels: Rising.
        rate: The stage's own learning rate.
    """
    exceeded = [level for level in levels if best > level.above]
    if exceeded:
        return (exceeded[-1].gate, exceeded[-1].lr)
    return (0.0, rate)


def need_save(accuracy: float, best: float, gate: float) -> bool:
    """Tell whether ``accuracy`` beats the best so far by more than the gate (step 3)."""
    return accuracy - best > gate + ROUNDING


@dataclass(frozen=True)
class SavedWeights:
    """A checkpoint of weights that waits for its validation.

    Attributes:
        file: Its name in the stage's folder.
        step: Optimiser steps taken.
        epoch: The epoch, from 0.
        reason: "check" (the gate was passed) or "epoch" (it was time).
        accuracy: Of the mini-batch of this step.
        lr: The learning rate from this step on.
    """

    file: str
    step: int
    epoch: int
    reason: Literal["check", "epoch"]
    accuracy: float | None
    lr: float


class CheckAndAdjust(StepAccuracy):
    """Algorithm 1 of paper 002, and its checkpoint every ten epochs.

    Checked are the first step, as in the paper, and every ``every_steps``-th after it. Within a check the order is the
    paper's: the level comes from the best accuracy before this check, then the accuracy may become the best.
    The checkpoints hold weights alone (the averaged ones where they are averaged); which of them is
    the stage's best is found out once it has ended, by validating each (see ``lightning_modules.stages.selection``).

    Args:
        config: Levels and intervals.
        rate: The stage's own learning rate.
        folder: Where the checkpoints go.
    """

    PATTERN = "step-*.ckpt"

    def __init__(self, config: CheckAndAdjustConfig, rate: float, folder: Path) -> None:
        super().__init__()
        self.config = config
        self.rate = rate
        self.folder = folder
        self.best = 0.0
        self.saved: list[SavedWeights] = []
        self._newest: Hits | float | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remove what an interrupted stretch saved after the state from which this one continues."""
        known = {each.file for each in self.saved}
        for path in self.folder.glob(self.PATTERN):
            if path.name not in known and trainer.is_global_zero:
                path.unlink()

    def after_step(self, trainer: Trainer, pl_module: LightningModule, hits: Hits) -> None:
        """Check, where it is time: set the rate, and save."""
        self._newest = hits
        if (trainer.global_step - 1) % self.config.every_steps:
            return
        accuracy = hits.accuracy
        gate, rate = adjust(self.best, self.config.levels, self.rate)
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = rate
        if need_save(accuracy, self.best, gate):
            self.best = accuracy
            self._save(trainer, pl_module, "check", accuracy)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save after every so many epochs, whatever the accuracy."""
        every = self.config.every_epochs
        if every and (trainer.current_epoch + 1) % every == 0:
            self._save(trainer, pl_module, "epoch", self._newest_accuracy())

    def state_dict(self) -> dict[str, Any]:
        """Return the best accuracy so far, the newest one, and what was saved, as plain values."""
        saved = [asdict(each) for each in self.saved]
        return {"best": self.best, "saved": saved, "newest": self._newest_accuracy()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self.best = state_dict["best"]
        self.saved = [SavedWeights(**each) for each in state_dict["saved"]]
        self._newest = state_dict.get("newest")

    def _newest_accuracy(self) -> float | None:
        """The accuracy of the last mini-batch: it may have come before an interruption."""
        if isinstance(self._newest, Hits):
            return self._newest.accuracy
        return self._newest

    def _save(
        self, trainer: Trainer, pl_module: LightningModule, reason: Literal["check", "epoch"], accuracy: float | None
    ) -> None:
        step = trainer.global_step
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        if self.saved and self.saved[-1].step == step:
            return  # these very weights are saved
        file = self.PATTERN.replace("*", f"{step:06d}")
        place = self.folder / file
        with averaged_weights(trainer, pl_module), ExitStack() as stack:
            # All ranks take part, and rank zero alone writes.
            path = stack.enter_context(atomic_path(place)) if trainer.is_global_zero else place
            trainer.save_checkpoint(path, weights_only=True)
        self.saved.append(SavedWeights(file, step, trainer.current_epoch, reason, accuracy, rate))
