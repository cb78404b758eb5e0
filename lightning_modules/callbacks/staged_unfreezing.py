"""One stage of training: what trains, with which BatchNorm mode; and the budget that it has used."""

import time
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from common.cli import say
from common.config.schema import StageConfig
from common.errors import UserError
from lightning_modules.backbones.backbone import count_parameters, resolve_modules, set_modes, set_trainable


class StagedUnfreezing(Callback):
    """Hold the model in the state that a stage describes; each stage is a fit of its own.

    A new fit means a new optimiser, a new DDP wrap and a new compilation, so nothing from the stage before can linger
    (Lightning's BaseFinetuning re-freezes on resume, and DDP never synchronises what is unfrozen later). What trains is
    a pure function of the stage: it is applied at the start of the fit, before the optimiser is built, and the modes
    again at every epoch, since ``train()`` reaches frozen modules too.

    Args:
        name: The stage's name.
        number: Its place in the run, from 0.
        stage: The stage itself.
    """

    def __init__(self, name: str, number: int, stage: StageConfig) -> None:
        self.name = name
        self.number = number
        self.stage = stage
        self.images_seen = 0
        self.seconds = 0.0
        self._since = time.monotonic()
        self._known_sizes: list[int] = []

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Freeze and unfreeze, before the optimiser collects what trains."""
        if stage != "fit":
            return
        names = resolve_modules(pl_module.backbone, self.stage.train)
        set_trainable(pl_module.backbone, names)
        pl_module.head.requires_grad_(True)
        if trainer.is_global_zero:
            counts = count_parameters(pl_module)
            modules = ", ".join(["head", *self.stage.train])
            budget = f"{counts.trainable:,} of {counts.total:,} parameters train"
            say(f"stage {self.number + 1}, {self.name}: {modules}; {budget}")

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock of this stretch of the stage."""
        self._since = time.monotonic()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the head in train mode and the backbone in the modes of the stage."""
        self._set_modes(pl_module)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Do the same where a resume in mid-epoch skips the epoch's start."""
        self._set_modes(pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the images seen, over all processes, of which one may have more than another."""
        several = trainer.world_size > 1
        self.images_seen += self._sizes(trainer)[batch_idx] if several else len(batch["label"])

    def state_dict(self) -> dict[str, Any]:
        """Return the stage and its budget so far, for the checkpoint."""
        return {
            "name": self.name,
            "number": self.number,
            "images_seen": self.images_seen,
            "seconds": self.seconds + time.monotonic() - self._since,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the budget of the interrupted stretch.

        Raises:
            UserError: The checkpoint belongs to another stage.
        """
        if (state_dict["name"], state_dict["number"]) != (self.name, self.number):
            raise UserError(f"the checkpoint is of stage {state_dict['name']!r}, not {self.name!r}: remove it")
        self.images_seen = state_dict["images_seen"]
        self.seconds = state_dict["seconds"]

    def _sizes(self, trainer: Trainer) -> list[int]:
        """The images of each batch of an epoch, which the sampler knows: the others need not be asked."""
        if not self._known_sizes:
            self._known_sizes = trainer.train_dataloader.batch_sampler.sizes()
        return self._known_sizes

    def _set_modes(self, pl_module: LightningModule) -> None:
        names = resolve_modules(pl_module.backbone, self.stage.train)
        pl_module.head.train()
        set_modes(pl_module.backbone, names, self.stage.batchnorm)
