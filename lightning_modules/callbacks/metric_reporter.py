"""Tell somebody outside how a training goes, epoch by epoch."""

from collections.abc import Callable

from pytorch_lightning import Callback, LightningModule, Trainer

from lightning_modules.callbacks.staged_unfreezing import StagedUnfreezing
from lightning_modules.distributed import first_does


class MetricReporter(Callback):
    """Tell the monitored metric after each epoch, once everything that a resume needs is saved.

    The one who is told may raise: the training ends there, and can be continued. Hand it in as an extra callback of
    :func:`lightning_modules.stages.fit.train_stages`, which puts it after all others.

    Args:
        monitor: The metric, such as "val/auc".
        tell: Called with the stage's number and the epoch within the stage, both from 0, and the metric.
    """

    def __init__(self, monitor: str, tell: Callable[[int, int, float], None]) -> None:
        self.monitor = monitor
        self.tell = tell

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell; the epoch's validation is over."""
        stage = next(each.number for each in trainer.callbacks if isinstance(each, StagedUnfreezing))
        score = float(trainer.callback_metrics[self.monitor])
        first_does(lambda: self.tell(stage, trainer.current_epoch, score))
