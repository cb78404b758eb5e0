"""The callbacks of paper 002, which watch the accuracy of mini-batches: check and adjust, and the early break."""

import shutil
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.__version__ import version

from karyocyte.common.cli import say
from karyocyte.common.files import atomic_path, write_csv
from karyocyte.runs.files import RunFolder
from karyocyte.runs.stages import RunStage
from lightning_modules.callbacks.best_checkpoint import STEP_CHECKPOINTS, averaged_weights
from lightning_modules.support.distributed import all_reduce, on_rank_zero

# Shares of images are compared: 0.8 - 0.7 must not exceed a gate of 0.1 by a rounding.
ROUNDING = 1e-9


def accuracy_of(hits: torch.Tensor | float) -> float:
    """Return the accuracy of a mini-batch, in [0, 1], of its images classified correctly and all, int64 (2,)."""
    if isinstance(hits, float):  # from before an interruption
        return hits
    correct, images = hits.tolist()
    return float(correct / images)


class StepAccuracy(Callback):
    """Calls ``after_step`` with the hits of the mini-batch after each optimiser step.

    A mini-batch is what a step is made of: the images of all processes and, where gradients are accumulated, several
    batches. So every process comes to the same decision.
    """

    def __init__(self) -> None:
        self._step_before = 0
        self._batches: list[torch.Tensor] = []

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Note how many steps the optimiser has taken."""
        self._step_before = trainer.global_step

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the hits of the batch and, after a step, hand on those of the mini-batch."""
        correct = outputs["correct"].sum()
        self._batches.append(torch.stack([correct, torch.full_like(correct, len(outputs["correct"]))]))
        if trainer.global_step > self._step_before:
            hits = all_reduce(torch.stack(self._batches).sum(0))
            self._batches = []
            self.after_step(trainer, pl_module, hits)

    def after_step(self, trainer: Trainer, pl_module: LightningModule, hits: torch.Tensor) -> None:
        """Take the hits (see ``accuracy_of``) of the step just taken, on their device; before the validation."""


class EarlyBreak(StepAccuracy):
    """End a stage after the epoch in which validation and training both exceed their expectations (paper 002, 2.2.1).

    Both are asked after each epoch's validation: its accuracy must exceed the expectation, and so must that of each of
    the last five mini-batches before it (which may reach into the epoch before). A lucky row in the middle of an epoch
    does not count.

    ``validation`` is the expected accuracy of validation, ``train`` that of each of the last ``batches`` mini-batches.
    """

    def __init__(self, validation: float, train: float, batches: int) -> None:
        super().__init__()
        self.validation = validation
        self.train = train
        self.fired = False
        self._last: deque[torch.Tensor | float] = deque(maxlen=batches)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Train no further epoch where the interrupted stage had ended already."""
        if self.fired:
            trainer.should_stop = True

    def after_step(self, trainer: Trainer, pl_module: LightningModule, hits: torch.Tensor) -> None:
        """Remember the newest mini-batches."""
        self._last.append(hits)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check, and ask for the end."""
        validation = float(trainer.callback_metrics["val/acc"])
        enough = len(self._last) == self._last.maxlen and min(map(accuracy_of, self._last)) > self.train
        if validation > self.validation and enough:
            self.fired = True
            trainer.should_stop = True

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say that the stage ends before its last epoch, and why."""
        if self.fired and trainer.is_global_zero:
            reason = f"accuracies above {self.validation} in validation and {self.train} in the last mini-batches"
            say(f"early break after epoch {trainer.current_epoch} of {trainer.max_epochs}: {reason}")

    def state_dict(self) -> dict[str, Any]:
        """Return the accuracies of the last mini-batches, and whether it has fired."""
        return {"accuracies": [accuracy_of(hits) for hits in self._last], "fired": self.fired}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self._last.extend(state_dict["accuracies"])
        self.fired = state_dict["fired"]


@dataclass(frozen=True)
class AdjustLevel:
    """A level of the algorithm: above which accuracy, the gain that is worth a checkpoint, and the learning rate."""

    above: float
    gate: float
    lr: float


def adjust(best: float, levels: Sequence[AdjustLevel], rate: float) -> tuple[float, float]:
    """Return the gate and the learning rate of the highest level that ``best`` exceeds (steps 1 and 2).

    ``best`` is the best mini-batch accuracy before this check, in [0, 1]. Below the first level, of which the paper
    says nothing, the gate is 0 (any progress is saved) and the rate the stage's own, ``rate``.
    """
    for level in reversed(levels):
        if best > level.above:
            return level.gate, level.lr
    return 0.0, rate


@dataclass(frozen=True)
class SavedWeights:
    """A checkpoint of weights: the accuracy is that of the mini-batch of its step, the rate that from this step on.

    The reason is "check" (the gate was passed) or "epoch" (it was time).
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
    The checkpoints hold weights alone (the averaged ones where they are averaged), in half precision: of VGG16 they are
    many and large. Once the stage has ended, each is validated as it was saved to find the stage's best.

    Args:
        every_steps: Optimiser steps between two checks.
        every_epochs: Epochs between two further checkpoints; None: none.
        levels: The fields of `AdjustLevel`, of rising ``above``.
        stage: The stage, in whose folder the checkpoints go.
        monitor: The metric that the best checkpoint is chosen by.
        mode: Whether its least or its largest value is best.
    """

    def __init__(  # noqa: PLR0913 (the first three are keys of a configuration)
        self,
        every_steps: int,
        every_epochs: int | None,
        levels: Sequence[Mapping[str, float]],
        stage: RunStage,
        monitor: str = "val/acc",
        mode: str = "max",
    ) -> None:
        super().__init__()
        self.every_steps = every_steps
        self.every_epochs = every_epochs
        self.monitor = monitor
        self.mode = mode
        self.levels = [AdjustLevel(**level) for level in levels]
        above = [level.above for level in self.levels]
        if not above or above != sorted(set(above)):
            raise ValueError("levels: give one or more, each `above` larger than the one before")
        self.stage = stage
        self.rate = stage.config.lr
        self.folder = stage.folder
        self.best = 0.0
        self.saved: list[SavedWeights] = []
        self._newest: torch.Tensor | float | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remove what an interrupted stretch saved after the state from which this one continues."""
        if trainer.is_global_zero:
            for path in {*self.folder.glob(STEP_CHECKPOINTS)} - {self.folder / each.file for each in self.saved}:
                path.unlink()

    def after_step(self, trainer: Trainer, pl_module: LightningModule, hits: torch.Tensor) -> None:
        """Check, where it is time: set the rate, and save."""
        self._newest = hits
        if (trainer.global_step - 1) % self.every_steps:
            return
        accuracy = accuracy_of(hits)
        gate, rate = adjust(self.best, self.levels, self.rate)
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = rate
        if accuracy - self.best > gate + ROUNDING:  # step 3
            self.best = accuracy
            self._save(trainer, pl_module, "check", accuracy)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save after every so many epochs, whatever the accuracy."""
        if self.every_epochs and (trainer.current_epoch + 1) % self.every_epochs == 0:
            self._save(trainer, pl_module, "epoch", self._newest_accuracy())

    def choose_best(self, score_of: Callable[[Path], float]) -> float | None:
        """Validate every checkpoint (paper 002, 3.2) and copy the best, of equal ones the earliest, to best.ckpt.

        Every process calls it. Returned is the metric of the best; None where none has a finite one, and the best
        epoch's weights stay.

        The table logs/<stage>/check_and_adjust.csv lists them, with the accuracy of the mini-batch and the monitored
        metric on the whole validation part.
        """
        table = pd.DataFrame(map(asdict, self.saved), columns=[field.name for field in fields(SavedWeights)])
        scores = np.array([score_of(self.folder / file) for file in table.pop("file")], dtype=np.float64)
        table[self.monitor] = scores
        on_rank_zero(write_csv, self.stage.run / RunFolder.LOGS / self.folder.name / "check_and_adjust.csv", table)
        if not np.isfinite(scores).any():
            return None
        losses = scores if self.mode == "min" else -scores
        best = int(np.where(np.isfinite(scores), losses, np.inf).argmin())
        on_rank_zero(_copy, self.folder / self.saved[best].file, self.folder / "best.ckpt")
        return float(scores[best])

    def state_dict(self) -> dict[str, Any]:
        """Return the best accuracy so far, the newest one, and what was saved, as plain values."""
        return {"best": self.best, "saved": list(map(asdict, self.saved)), "newest": self._newest_accuracy()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self.best = state_dict["best"]
        self.saved = [SavedWeights(**each) for each in state_dict["saved"]]
        self._newest = state_dict.get("newest")

    def _newest_accuracy(self) -> float | None:
        """The accuracy of the last mini-batch: it may have come before an interruption."""
        return None if self._newest is None else accuracy_of(self._newest)

    def _save(
        self, trainer: Trainer, pl_module: LightningModule, reason: Literal["check", "epoch"], accuracy: float | None
    ) -> None:
        step = trainer.global_step
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        if self.saved and self.saved[-1].step == step:
            return  # these very weights are saved
        path = self.folder / STEP_CHECKPOINTS.replace("*", f"{step:06d}")
        with averaged_weights(trainer, pl_module):
            weights = half_precision(pl_module.state_dict())
        checkpoint = {"state_dict": weights, "epoch": trainer.current_epoch, "global_step": step}
        # All ranks take part, and rank zero alone writes.
        trainer.strategy.save_checkpoint({**checkpoint, "pytorch-lightning_version": version}, path)
        self.saved.append(SavedWeights(path.name, step, trainer.current_epoch, reason, accuracy, rate))


def _copy(path: Path, to: Path) -> None:
    with atomic_path(to) as temporary:
        shutil.copyfile(path, temporary)


def half_precision(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return copies of weights, those of convolutions and dense layers rounded to half precision (11 bits).

    Biases, gains and running statistics stay as they are, and so does a layer with a value beyond its range.
    """
    rounded = {}
    for name, values in weights.items():
        is_matrix = values.is_floating_point() and values.ndim > 1
        fits = is_matrix and bool((values.abs() <= torch.finfo(torch.float16).max).all())
        rounded[name] = values.half() if fits else values.clone()
    return rounded
