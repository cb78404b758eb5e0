"""How far a fit is: a bar on a terminal, a few lines elsewhere."""

from math import ceil
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import RichProgressBar

from common.cli import console

REFRESHES = 20  # of the progress bar, per second
LINES = 5  # of a fit, at most


def progress_callback() -> Callback:
    """Return a bar for a terminal; for a file or a pipe, where each bar would remain as a line, some lines."""
    return ProgressBar() if console.is_terminal else EpochLines()


class ProgressBar(RichProgressBar):
    """Lightning's rich bar: one line that goes on through all epochs, and is gone at the end.

    It is drawn twenty times a second; Lightning would draw it a hundred times.
    """

    def __init__(self) -> None:
        super().__init__(refresh_rate=REFRESHES)

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        """Return the metrics beside the bar, without the loggers' version."""
        metrics: dict[str, Any] = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics

    def _init_progress(self, trainer: Trainer) -> None:
        super()._init_progress(trainer)
        if self.progress is not None:
            self.progress.live.transient = True

    def _get_train_description(self, current_epoch: int) -> str:
        # Lightning counts from 0, as no other line of a training does.
        return f"Epoch {current_epoch + 1}/{self.trainer.max_epochs}".ljust(len(self.validation_description))


class EpochLines(Callback):
    """Prints the losses of some epochs of a fit, evenly spaced, a line each; of the last one its stage says enough."""

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print a line; the validation of the epoch is over."""
        epoch = trainer.current_epoch + 1
        epochs = trainer.max_epochs or epoch
        if trainer.is_global_zero and epoch < epochs and epoch % ceil(epochs / LINES) == 0:
            metrics = map("{0[0]} {0[1]:.3f}".format, sorted(trainer.progress_bar_metrics.items()))
            console.print(f"  epoch {epoch}/{epochs}: {', '.join(metrics)}", highlight=False)
