"""Early stopping that a resume goes on with."""

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import EarlyStopping

from karyocyte.common.cli import say
from karyocyte.common.text import counted


class ResumableEarlyStopping(EarlyStopping):
    """Lightning's early stopping, which forgets on a resume that it had stopped already.

    It checks after the validation, so that the checkpoint at the epoch's end holds its newest state.
    """

    def __init__(self, patience: int, min_delta: float, monitor: str, mode: str) -> None:
        if patience < 1 or min_delta < 0:
            raise ValueError("patience is a number of epochs from 1, min_delta is not negative")
        # A loss that is no number ends the stage at once; another metric may be undefined in some epoch.
        is_loss = monitor == "val/loss"
        super().__init__(monitor, min_delta, patience, mode=mode, check_finite=is_loss, check_on_train_epoch_end=False)

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
