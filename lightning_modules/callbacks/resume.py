"""What a resume needs, to the very same weights: its checkpoint, and the same random numbers and last steps."""

import time
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch.distributed import ReduceOp

from karyocyte.common import preemption
from karyocyte.common.cli import warn
from karyocyte.common.seeds import derive_seed
from lightning_modules.support.compat import is_last_batch, seed_cpu
from lightning_modules.support.distributed import all_reduce, current_world

SHARE = 0.02  # of the time of a training that saving at the ends of epochs may take


class StepSeed(Callback):
    """Reseed torch before every training batch: dropout is a pure function of (seed, stage, epoch, batch, process).

    A resumed run draws what the undisturbed one would have; Lightning saves no generator state. A run of several
    processes drops other values than one of a single process at the same global batch.
    """

    def __init__(self, seed: int, stage: int) -> None:
        self.seed = seed
        self.stage = stage

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Seed torch for this batch."""
        seed_batch(pl_module, self.seed, self.stage, trainer.current_epoch, batch_idx)


def seed_batch(module: LightningModule, seed: int, stage: int, epoch: int, batch: int) -> None:
    """Seed torch for a training batch of an epoch of a stage, on the CPU and on the device of a module."""
    value = derive_seed("dropout", seed, stage, epoch, batch, module.global_rank)
    seed_cpu(value)
    if module.device.type == "cuda":
        torch.cuda.manual_seed(value)


class ResumeCheckpoint(Callback):
    """Save everything that a resume needs at epochs' ends and where it is due; leave with it saved after a signal.

    At the end of an epoch without a new best checkpoint nothing is saved where that would take more than `SHARE` of the
    time: a resume repeats such epochs. (ModelCheckpoint's ``save_last`` writes only together with a best.)

    A training can leave, and go on to the very same weights:

    - after an optimiser step (no gradient is partially accumulated then), the epoch's last one aside;
    - before an epoch, when the one before it is saved: its end saves also after a signal, as in its validation.

    Processes that train together exchange signals and what is due at each of these moments, so that all decide alike.

    It is due also after so many optimiser steps, and where the last save, or the start, is so many minutes ago.
    """

    def __init__(self, path: Path, every_steps: int | None = None, every_minutes: float | None = None) -> None:
        self.path = path
        self.every_steps = every_steps
        self.every_minutes = every_minutes
        self._saved_at = time.monotonic()
        self._saved_step = 0
        self._save_seconds = 0.0
        self._from_step = 0
        self._saved_best: float | None = None
        self._step_before = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock, where a resume goes on too."""
        self._saved_at = time.monotonic()
        self._saved_step = self._from_step = self._step_before = trainer.global_step
        self._saved_best = _best_score(trainer)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave before the epoch, where what was before it is saved."""
        _, signum = _on_any_rank()
        if signum and self._saved_step == trainer.global_step:
            preemption.leave(signum, trainer.is_global_zero)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """After a step: save where it is due, and leave where a signal says so.

        Where the epoch or the stage ends with this step, the validation comes first.
        """
        step, before = trainer.global_step, self._step_before
        self._step_before = step
        if step == before or is_last_batch(trainer) or trainer.should_stop:
            return
        due, signum = _on_any_rank(self._is_due(step))
        if signum:
            self._save_and_leave(trainer, signum)
        elif due:
            self.save(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save after the validation of the epoch, where it is worth its time."""
        is_cheap = self._save_seconds <= SHARE * (time.monotonic() - self._saved_at)
        # What is on disk as the best must not be of an epoch that a resume has still to train.
        has_new_best = _best_score(trainer) != self._saved_best
        due, signum = _on_any_rank(is_cheap or has_new_best or self._is_due(trainer.global_step))
        if due or signum:
            self.save(trainer)
            preemption.note_progress()

    def save(self, trainer: Trainer) -> None:
        """Save the state as it is; every process must call it, and only the first one writes."""
        start = time.monotonic()
        trainer.save_checkpoint(self.path)
        self._saved_at = time.monotonic()
        self._saved_step = trainer.global_step
        self._saved_best = _best_score(trainer)
        self._save_seconds = self._saved_at - start
        if trainer.global_step > self._from_step:
            preemption.note_progress()

    def _is_due(self, step: int) -> bool:
        """Whether ``every_steps`` or ``every_minutes`` ask for a save after a step."""
        if self.every_steps and step % self.every_steps == 0:
            return True
        return self.every_minutes is not None and time.monotonic() - self._saved_at >= 60 * self.every_minutes

    def _save_and_leave(self, trainer: Trainer, signum: int) -> None:
        try:
            self.save(trainer)
        except Exception as error:  # a full disk: the old state is whole, and there is no time to wait for another
            warn(f"{self.path} could not be saved ({error}): the run goes on from the one before")
        preemption.leave(signum, trainer.is_global_zero)


def _best_score(trainer: Trainer) -> float | None:
    """Return the score of the best checkpoint so far."""
    score = getattr(trainer.checkpoint_callback, "best_model_score", None)
    return None if score is None else float(score)


def _on_any_rank(due: bool = False) -> tuple[bool, int]:
    """Return whether a save is due on any rank, and the signal that any of them got, 0 for none."""
    if current_world().size == 1:
        return due, preemption.pending() or 0
    any_due, signum = all_reduce(torch.tensor([int(due), preemption.pending() or 0]), ReduceOp.MAX).tolist()
    return bool(any_due), signum
