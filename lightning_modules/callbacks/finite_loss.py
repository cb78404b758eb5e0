"""Ends a training whose loss is no number."""

from math import isfinite
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from karyocyte.common.errors import UserError
from karyocyte.runs.stages import Stage

NAMED = 8  # images that the error names
KEPT = 50  # losses on an accelerator that are checked at once


class FiniteLoss(Callback):
    """Raises a ``UserError`` that names the batch.

    On a CPU every loss is checked before its gradients are computed. On an accelerator, which looking at a number would
    stop until it has computed it, `KEPT` losses are checked at once, and all of them before anything is validated or
    saved: no file ever has such weights.

    With ``precision=16-mixed`` a loss may overflow once in a while: such steps are skipped, and nothing is raised.

    Args:
        stage: The stage that is trained.
        kept: Losses that are checked at once; None: 1 on a CPU, else `KEPT`.
    """

    def __init__(self, stage: Stage, kept: int | None = None) -> None:
        self.stage = stage
        self.kept = kept
        self._present: tuple[int, torch.Tensor | None] = (0, None)  # batch and its images
        self._batches: list[tuple[int, torch.Tensor | None]] = []  # of each loss
        self._losses: list[torch.Tensor] = []

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Note the images."""
        self._present = (batch_idx, batch.get("index"))

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: torch.Tensor) -> None:
        """Keep the loss, and check those that are kept."""
        self._batches.append(self._present)
        self._losses.append(loss.detach())
        if len(self._losses) >= (self.kept or (1 if loss.device.type == "cpu" else KEPT)):
            self._check(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check before the weights are compared."""
        self._check(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check before the next epoch."""
        self._check(trainer)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Check before the weights are saved."""
        self._check(trainer)

    def _check(self, trainer: Trainer) -> None:
        """Look at the losses that are kept, in order, and forget them."""
        batches, self._batches = self._batches, []
        losses, self._losses = self._losses, []
        if not losses or trainer.precision == "16-mixed":
            return
        for (batch, rows), loss in zip(batches, torch.stack(losses).tolist(), strict=True):
            if not isfinite(loss):
                raise UserError(self._message(trainer, batch, rows, loss))

    def _message(self, trainer: Trainer, batch: int, rows: torch.Tensor | None, loss: float) -> str:
        images = ""
        names_of = getattr(trainer.datamodule, "image_names", None)  # type: ignore[attr-defined]
        if names_of and rows is not None:
            names = names_of(rows.tolist())
            images = ", images " + ", ".join(names[:NAMED])
            if len(names) > NAMED:
                images += f" and {len(names) - NAMED} more"
        name = self.stage.name
        return (
            f"stage {name}, epoch {trainer.current_epoch + 1}, batch {batch + 1}{images}: the loss is "
            f"{loss}: lower unfreeze.stages.{name}.lr, or look at these images; the best weights so "
            f"far are in {self.stage.folder}"
        )
