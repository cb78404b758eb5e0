"""The checkpoint from which a run continues: always one file, always whole."""

import time
from pathlib import Path

from pytorch_lightning import Callback, LightningModule, Trainer

from common.preemption import note_progress


class ResumeCheckpoint(Callback):
    """Save everything that a resume needs at each epoch's end; ``Preemption`` asks for more, in mid-epoch.

    ModelCheckpoint's ``save_last`` writes only together with a top-k save (since Lightning 2.6), and two of its
    triggers exclude one another; hence an own, small callback. ``WholeFiles`` sees to it that a kill or a full disk in
    the middle leaves the old file whole.

    Args:
        path: Where the checkpoint lies.
        every_steps: It is due also after this many optimiser steps, in mid-epoch; None: at the epochs' ends alone.
        every_minutes: And where the last save, or the start, is so many minutes ago.
    """

    def __init__(self, path: Path, every_steps: int | None = None, every_minutes: float | None = None) -> None:
        self.path = path
        self.every_steps = every_steps
        self.every_minutes = every_minutes
        self._saved_at = time.monotonic()
        self._from_step = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock, where a resume goes on too."""
        self._saved_at = time.monotonic()
        self._from_step = trainer.global_step

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save after the validation of the epoch."""
        self.save(trainer)
        note_progress()

    def is_due(self, step: int) -> bool:
        """Whether it is time after so many optimiser steps, by this process's own clock."""
        late = self.every_minutes and time.monotonic() - self._saved_at >= 60 * self.every_minutes
        return bool(late or (self.every_steps and step % self.every_steps == 0))

    def save(self, trainer: Trainer) -> None:
        """Save the state as it is; every process must call it, and only the first one writes.

        Raises:
            OSError: In the first process, when the file cannot be written, such as for a full disk; the old one stays.
        """
        self._saved_at = time.monotonic()
        trainer.save_checkpoint(self.path)
        if trainer.global_step > self._from_step:
            note_progress()
