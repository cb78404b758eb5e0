"""The learning rate that falls when the validation loss no longer does."""

from pytorch_lightning import Callback, LightningModule, Trainer


class Plateau(Callback):
    """Tell the scheduler the validation loss after each epoch, before the state for a resume is saved.

    Lightning would tell it after that, and not at all in an epoch that was continued: the rate of a resumed run would
    fall later than that of an undisturbed one.
    """

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell; the epoch's validation is over."""
        for config in trainer.lr_scheduler_configs:
            if config.reduce_on_plateau:
                config.scheduler.step(float(trainer.callback_metrics[config.monitor]))
