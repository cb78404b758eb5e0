"""The monitored metric of each epoch, for a caller outside the training."""

from collections.abc import Callable

from pytorch_lightning import Callback, LightningModule, Trainer

from lightning_modules.callbacks.staged_unfreezing import StagedUnfreezing
from lightning_modules.compat import callbacks_of
from lightning_modules.distributed import on_rank_zero


class MetricReporter(Callback):
    """Report the monitored metric after each epoch, once everything that a resume needs is saved.

    ``report`` may raise: the training ends there, and can be continued. Pass the callback to
    :func:`lightning_modules.stages.fit.train_stages`, which puts it after all others.

    Args:
        monitor: The metric, such as "val/auc".
        report: Called on rank zero with the stage's number and the epoch within the stage, both from 0, and the metric.
    """

    def __init__(self, monitor: str, report: Callable[[int, int, float], None]) -> None:
        self.monitor = monitor
        self.report = report

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report the metric of the epoch's validation."""
        stage = next(each.number for each in callbacks_of(trainer) if isinstance(each, StagedUnfreezing))
        score = float(trainer.callback_metrics[self.monitor])
        on_rank_zero(self.report, stage, trainer.current_epoch, score)
