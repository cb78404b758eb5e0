"""When the state is saved in mid-epoch, and when a training leaves because a signal asks for it."""

from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from common import preemption
from common.cli import warn
from lightning_modules.callbacks.ema import averaged_weights
from lightning_modules.callbacks.resume_checkpoint import ResumeCheckpoint
from lightning_modules.compat import is_last_batch, mark_validation_as_begun
from lightning_modules.distributed import all_reduce_max


class Preemption(Callback):
    """Save the state in mid-epoch where it is due, and leave with it saved after a signal.

    Moments at which a training can leave, and go on to the very same weights:

    - after an optimiser step (no gradient is half accumulated then), the epoch's last one aside;
    - before any batch of the validation that follows the last step: what is saved is the state before the
      validation, which a resume begins anew. The validation that ends a stage in mid-epoch (``MaxSteps``) cannot be
      begun anew: it is gone through with, and the end of its epoch saves;
    - before an epoch, when the one before it is saved.

    Processes that train together get the signal at different moments, and their clocks differ: they tell one another
    at each of these moments, and the decision is the same in all of them. One process alone asks nobody.

    Args:
        checkpoint: What saves; it comes before this callback.
    """

    def __init__(self, checkpoint: ResumeCheckpoint) -> None:
        self.checkpoint = checkpoint
        self._step_before = 0
        self._shared_batches = 0

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Note how many steps the optimiser has taken."""
        self._step_before = trainer.global_step

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """After a step: save where it is due, and leave where a signal says so.

        Where the epoch or the stage ends with this step, the validation comes first.
        """
        step = trainer.global_step
        if step == self._step_before or is_last_batch(trainer) or trainer.should_stop:
            return
        due, signum = _on_any_rank(self.checkpoint.is_due(step))
        if signum:
            self._save_and_leave(trainer, signum)
        if due:
            self.checkpoint.save(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Find out how many batches all processes have: they can agree before those alone."""
        fewest = all_reduce_max([-int(sum(trainer.num_val_batches))])[0]
        self._shared_batches = -fewest

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Leave from within a validation, as if it had not begun."""
        if batch_idx >= self._shared_batches or not is_last_batch(trainer):
            return
        _, signum = _on_any_rank()
        if not signum:
            return
        mark_validation_as_begun(trainer)
        # A validation sees the averaged weights: swapped once more, the model holds its own.
        with averaged_weights(trainer, pl_module):
            self._save_and_leave(trainer, signum)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave before the epoch; what was before it is saved."""
        _, signum = _on_any_rank()
        if signum:
            preemption.leave(signum, trainer.is_global_zero)

    def _save_and_leave(self, trainer: Trainer, signum: int) -> None:
        try:
            self.checkpoint.save(trainer)
        except Exception as error:  # a full disk: the old state is whole, and there is no time to wait for another
            warn(f"{self.checkpoint.path} could not be saved ({error}): the run goes on from the one before")
        preemption.leave(signum, trainer.is_global_zero)


def _on_any_rank(due: bool = False) -> tuple[bool, int]:
    """Return whether a save is due on any rank, and the signal that any of them got, 0 for none."""
    any_due, signum = all_reduce_max([int(due), preemption.pending() or 0])
    return bool(any_due), signum
