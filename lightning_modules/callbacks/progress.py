"""How far a fit is: a bar on a terminal, a few lines elsewhere."""

from math import ceil

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import RichProgressBar

from karyocyte.common.cli import console

REFRESHES = 20  # of the progress bar, per second; Lightning would draw it a hundred times
LINES = 5  # of a fit, at most


def progress_callback() -> Callback:
    """Return a bar for a terminal; for a file or a pipe, where each bar would remain as a line, some lines."""
    return RichProgressBar(refresh_rate=REFRESHES) if console.is_terminal else EpochLines()


class EpochLines(Callback):
    """Prints the losses of some epochs of a fit, evenly spaced, a line each; of the last one its stage says enough."""

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print a line; the validation of the epoch is over."""
        epoch = trainer.current_epoch + 1
        epochs = trainer.max_epochs or epoch
        if trainer.is_global_zero and epoch < epochs and epoch % ceil(epochs / LINES) == 0:
            metrics = [f"{name} {value:.3f}" for name, value in sorted(trainer.progress_bar_metrics.items())]
            console.print(f"  epoch {epoch}/{epochs}: {', '.join(metrics)}", highlight=False)
