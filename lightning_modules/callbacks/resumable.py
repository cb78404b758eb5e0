"""What Lightning does otherwise after a resume: random numbers, plateau schedules, early stopping, a last step."""

from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import EarlyStopping

from common.cli import say
from common.seeds import derive_seed
from common.text import counted
from lightning_modules.compat import seed_cpu
from lightning_modules.training.plan import Stage


class StepSeed(Callback):
    """Reseed torch before every training batch: dropout is a pure function of (seed, stage, epoch, batch, process).

    A resumed run draws what the undisturbed one would have; Lightning saves no generator state.

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


class PlateauStep(Callback):
    """Step ReduceLROnPlateau with the validation loss after each epoch, before the state for a resume is saved.

    Lightning would step it after that, and not at all in an epoch that was continued: the rate of a resumed run would
    fall later than that of an undisturbed one.
    """

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Step the scheduler by the validation of this epoch."""
        for config in trainer.lr_scheduler_configs:
            if config.reduce_on_plateau:
                scheduler: Any = config.scheduler
                scheduler.step(float(trainer.callback_metrics[str(config.monitor)]))


class ResumableEarlyStopping(EarlyStopping):
    """Lightning's early stopping, which forgets on a resume that it had stopped already.

    It checks after the validation, so that the checkpoint at the epoch's end holds its newest state.

    Args:
        patience: Epochs without improvement; a stage may have its own.
        min_delta: The smallest change that counts as an improvement.
        monitor: The metric.
        mode: Whether its least or its largest value is best.
        stage: The stage.
    """

    def __init__(self, patience: int, min_delta: float, monitor: str, mode: str, stage: Stage) -> None:
        if patience < 1 or min_delta < 0:
            raise ValueError("patience is a number of epochs from 1, min_delta is not negative")
        patience = stage.config.patience or patience
        super().__init__(monitor, min_delta, patience, mode=mode, check_on_train_epoch_end=False)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Train no further epoch where the interrupted stage had used up its patience in the last one."""
        if self.wait_count >= self.patience:
            trainer.should_stop = True

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say that the stage ends before its last epoch, and why."""
        is_early = trainer.current_epoch < (trainer.max_epochs or 0)
        if is_early and self.wait_count >= self.patience and trainer.is_global_zero:
            epochs = f"after epoch {trainer.current_epoch} of {trainer.max_epochs}"
            say(f"early stopping {epochs}: {self.monitor} no better for {counted(self.patience, 'epoch')}")


class MaxSteps(Callback):
    """End the stage after a number of optimiser steps, with a validation, also in the middle of an epoch.

    Lightning's ``max_steps`` leaves an epoch without its validation, and so without a best checkpoint, and it counts
    the epochs differently on a resume. ``should_stop`` does neither.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop after the last step."""
        if trainer.global_step >= self.steps:
            trainer.should_stop = True
