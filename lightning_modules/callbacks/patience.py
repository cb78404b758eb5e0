"""Early stopping that survives a resume."""

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import EarlyStopping


class Patience(EarlyStopping):
    """Lightning's early stopping, which forgets on a resume that it had stopped already."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Train no further epoch where the interrupted stage had used up its patience in the last one."""
        if self.wait_count >= self.patience:
            trainer.should_stop = True
