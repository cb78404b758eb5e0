"""The checkpoint of the best epoch of a stage."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import isfinite
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint, WeightAveraging

from karyocyte.common.errors import UserError
from lightning_modules.support.compat import swap_models

STEP_CHECKPOINTS = "step-*.ckpt"  # saved by a callback within a stage, and removed with its end


def is_better(score: float, best: float | None, mode: str) -> bool:
    """Tell whether a score is finite and better than the best so far, None for none; ``mode``: the least or largest."""
    if best is None or not isfinite(score):
        return isfinite(score)
    return score < best if mode == "min" else score > best


class BestCheckpoint(ModelCheckpoint):
    """Lightning's checkpoint of the best epoch, with the averaged weights where they are averaged.

    Lightning swaps the weights back before it saves, and asks no averaging callback for a checkpoint of weights only.

    ``checked`` names users' callbacks, which may leave other weights than those that were validated: this is an error.
    """

    checked = ""
    _validated: dict[str, torch.Tensor] | None = None

    def on_validation_batch_start(self, trainer: Trainer, pl_module: LightningModule, *batch: Any) -> None:
        """Keep what is validated."""
        if self.checked and self._validated is None:
            self._validated = {name: value.clone() for name, value in pl_module.state_dict().items()}

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the weights that were validated."""
        with averaged_weights(trainer, pl_module):
            self.on_fit_end(trainer, pl_module)
            super().on_validation_end(trainer, pl_module)

    def on_train_batch_start(self, trainer: Trainer, *batch: Any) -> None:
        """Forget what was validated before."""
        self._validated = None

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compare the weights with the validated ones."""
        state = pl_module.state_dict()
        if any(not torch.equal(state[name], value) for name, value in (self._validated or {}).items()):
            remedy = (
                "derive it from pytorch_lightning.callbacks.WeightAveraging, or set callbacks.averaging.enabled=true"
            )
            raise UserError(f"callbacks.extra: {self.checked} leaves other weights than were validated: {remedy}")


@contextmanager
def averaged_weights(trainer: Trainer, pl_module: LightningModule) -> Iterator[None]:
    """Hold the averaged weights in the model while the context lasts, where the trainer averages them."""
    _swap(trainer, pl_module)
    try:
        yield
    finally:
        _swap(trainer, pl_module)


def _swap(trainer: Trainer, pl_module: LightningModule) -> None:
    for callback in trainer.callbacks:  # type: ignore[attr-defined]  # set by Lightning's connector
        if isinstance(callback, WeightAveraging):
            swap_models(callback, pl_module)
