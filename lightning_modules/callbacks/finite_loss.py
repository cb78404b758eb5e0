"""Ends a training whose loss is no number, before the weights are."""

from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from common.errors import UserError
from lightning_modules.training.plan import Stage

NAMED = 8  # images that the error names


class FiniteLoss(Callback):
    """Raises a ``UserError`` that names the batch, before its gradients are computed.

    With ``precision=16-mixed`` a loss may overflow once in a while: such steps are skipped, and nothing is raised.
    """

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._rows: torch.Tensor | None = None
        self._batch = 0

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Note the images."""
        self._batch = batch_idx
        self._rows = batch.get("index")

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: torch.Tensor) -> None:
        """Check the loss."""
        if trainer.precision == "16-mixed" or bool(torch.isfinite(loss)):
            return
        images = ""
        names_of = getattr(trainer.datamodule, "image_names", None)  # type: ignore[attr-defined]
        if names_of and self._rows is not None:
            names = names_of(self._rows.tolist())
            images = ", images " + ", ".join(names[:NAMED])
            if len(names) > NAMED:
                images += f" and {len(names) - NAMED} more"
        name = self.stage.name
        raise UserError(
            f"stage {name}, epoch {trainer.current_epoch + 1}, batch {self._batch + 1}{images}: the loss is "
            f"{loss.detach().item()}: lower unfreeze.stages.{name}.lr, or look at these images; the best weights so "
            f"far are in {self.stage.folder}"
        )
