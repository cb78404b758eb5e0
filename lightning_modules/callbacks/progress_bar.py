"""The progress bar."""

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import RichProgressBar


class Progress(RichProgressBar):
    """Lightning's rich bar, one line that stays per epoch, with the losses and nothing else."""

    def __init__(self) -> None:
        super().__init__(leave=True)

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, int | str | float]:
        """Return what stands behind the bar: the loggers' version numbers mean nothing to a user."""
        return {name: value for name, value in super().get_metrics(trainer, pl_module).items() if name != "v_num"}
