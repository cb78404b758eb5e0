"""One stage of training: what trains, in which mode of BatchNorm, and the images and seconds that it has used."""

import time
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from karyocyte.common.cli import say
from karyocyte.common.errors import UserError
from karyocyte.runs.stages import Stage
from lightning_modules.modules.staged_module import StagedModule
from lightning_modules.support.compat import callbacks_of


class OneStage(Callback):
    """Hold a module in a stage of ``steps`` optimiser steps; each is a fit of its own, with a new DDP wrap.

    ``seconds`` is what this stretch of the stage has taken before the fit.
    """

    def __init__(self, stage: Stage, steps: int | None = None, seconds: float = 0.0) -> None:
        self.stage = stage
        self.steps = steps
        self.images_seen = 0
        self.seconds = seconds
        self._since = time.monotonic()
        self._batch_sizes: list[int] = []

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Freeze and unfreeze, before the optimiser collects what trains."""
        if stage != "fit":
            return
        assert isinstance(pl_module, StagedModule)
        pl_module.configure_stage(self.stage.config, self.steps)
        if trainer.is_global_zero:
            say(pl_module.describe_stage(self.stage.number, self.stage.name))

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._since = time.monotonic()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the modules that train in train mode, whatever a caller has done to them since; say where a resume is."""
        pl_module.train()
        if self.images_seen and trainer.is_global_zero:
            say(f"resumed in epoch {trainer.current_epoch + 1} of {trainer.max_epochs}")

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the images seen, over all ranks, of which one may have more than another; stop after the last step.

        Lightning's ``max_steps`` would leave an epoch without its validation, and so without a best checkpoint.
        """
        if trainer.world_size == 1:
            self.images_seen += len(batch["image"])
        else:
            loader: Any = trainer.train_dataloader
            self._batch_sizes = self._batch_sizes or loader.batch_sampler.sizes()
            self.images_seen += self._batch_sizes[batch_idx]
        if self.steps is not None and trainer.global_step >= self.steps:
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """Return the stage and its budget so far, for the checkpoint."""
        return {
            "name": self.stage.name,
            "number": self.stage.number,
            "images_seen": self.images_seen,
            "seconds": self.seconds + time.monotonic() - self._since,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the budget of the interrupted stretch; a checkpoint of another stage is a UserError."""
        if (state_dict["name"], state_dict["number"]) != (self.stage.name, self.stage.number):
            raise UserError(f"the checkpoint is of stage {state_dict['name']!r}, not {self.stage.name!r}: remove it")
        self.images_seen = state_dict["images_seen"]
        self.seconds += state_dict["seconds"]


def stage_callback(trainer: Trainer) -> OneStage:
    """Return the callback that holds the stage of a fit."""
    return next(each for each in callbacks_of(trainer) if isinstance(each, OneStage))
