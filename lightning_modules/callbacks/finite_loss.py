"""Ends a training whose loss is no number."""

from math import isfinite
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from karyocyte.common.errors import UserError
from karyocyte.runs.stages import Stage


class FiniteLoss(Callback):
    """Raises a ``UserError`` before weights of such a loss are validated or saved: no file ever has them.

    On a CPU every loss is checked before its gradients are computed. On an accelerator, which looking at a number would
    stop until it has computed it, the sum of an epoch's losses is. With ``precision=16-mixed`` a loss may overflow once
    in a while: such steps are skipped, and nothing is raised.
    """

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._sum: torch.Tensor | None = None

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: torch.Tensor) -> None:
        """Add the loss."""
        self._sum = loss.detach() if self._sum is None else self._sum + loss.detach()
        if loss.device.type == "cpu":
            self._check(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check before the weights are compared."""
        self._check(trainer)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Check before the weights are saved."""
        self._check(trainer)

    def _check(self, trainer: Trainer) -> None:
        total, self._sum = self._sum, None
        if total is not None and trainer.precision != "16-mixed" and not isfinite(float(total)):
            name = self.stage.name
            raise UserError(
                f"stage {name}, epoch {trainer.current_epoch + 1}: the loss is {float(total)}: lower "
                f"unfreeze.stages.{name}.lr; the best weights so far are in {self.stage.folder}"
            )
