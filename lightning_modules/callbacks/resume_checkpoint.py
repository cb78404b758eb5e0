"""The checkpoint from which a run continues: always one file, always whole."""

from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from common.files import atomic_path


class ResumeCheckpoint(Callback):
    """Save everything that a resume needs at each epoch's end and, where asked, every so many optimiser steps.

    ModelCheckpoint's ``save_last`` writes only together with a top-k save (since Lightning 2.6), and two of its
    triggers exclude one another; hence an own, small callback. The file is written beside its place and renamed: a kill
    or a full disk in the middle leaves the old one whole.

    Args:
        path: Where the checkpoint lies.
        every_steps: Save also after this many optimiser steps, in mid-epoch; None: at the epochs' ends alone.
    """

    def __init__(self, path: Path, every_steps: int | None = None) -> None:
        self.path = path
        self.every_steps = every_steps
        self._step_before = 0

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Note how many steps the optimiser has taken."""
        self._step_before = trainer.global_step

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save in mid-epoch where it is time, and only right after a step: no gradient is half accumulated then.

        Where the stage is about to stop, the validation comes first, as at an epoch's end.
        """
        step = trainer.global_step
        last = trainer.fit_loop.epoch_loop.batch_progress.is_last_batch or trainer.should_stop
        if self.every_steps and not last and step != self._step_before and step % self.every_steps == 0:
            self._save(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save after the validation of the epoch."""
        self._save(trainer)

    def _save(self, trainer: Trainer) -> None:
        if not trainer.is_global_zero:
            trainer.save_checkpoint(self.path)  # takes part in the gathering of a sharded state; writes nothing
            return
        with atomic_path(self.path) as temporary:
            trainer.save_checkpoint(temporary)
