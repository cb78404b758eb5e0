"""ReduceLROnPlateau, stepped before the state for a resume is saved."""

from pytorch_lightning import Callback, LightningModule, Trainer


class PlateauStep(Callback):
    """Step the scheduler with the validation loss after each epoch, before the state for a resume is saved.

    Lightning would step it after that, and not at all in an epoch that was continued: the rate of a resumed run would
    fall later than that of an undisturbed one.
    """

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Step the scheduler by the validation of this epoch."""
        for config in trainer.lr_scheduler_configs:
            if config.reduce_on_plateau:
                config.scheduler.step(float(trainer.callback_metrics[config.monitor]))
