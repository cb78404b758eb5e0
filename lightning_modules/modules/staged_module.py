"""What all modules that are trained in stages have in common: what trains, and the optimiser."""

from collections.abc import Iterator
from operator import attrgetter
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import nn

from karyocyte.common.errors import UserError
from karyocyte.config.schema import StageConfig
from lightning_modules.backbones.backbone import check_modules, set_modes, set_trainable
from lightning_modules.modules.image_network import ImageNetwork
from lightning_modules.optimizers import TrainingSettings, build_optimizer, build_scheduler


class StagedModule(ImageNetwork, LightningModule):
    """A network whose parameters all train until ``configure_stage``."""

    settings: TrainingSettings
    lr: float  # of the optimiser that is built next; Lightning's search of a rate sets it, too
    stage: StageConfig | None = None
    steps: int | None = None

    def configure_stage(self, stage: StageConfig, steps: int | None = None) -> None:
        """Freeze and unfreeze as a stage asks for; optimiser, schedule and BatchNorm follow it from now on.

        The scheduler plans for a number of optimiser ``steps``; None: Lightning's estimate.

        Raises:
            UserError: The backbone has no such module.
        """
        check_modules(self.backbone, stage.train)
        set_trainable(self.backbone, stage.train)
        self.head.requires_grad_(True)
        self.stage = stage
        self.lr = stage.lr
        self.steps = steps
        self.train()

    def trainable(self) -> Iterator[nn.Parameter]:
        """Yield the parameters that train."""
        return filter(attrgetter("requires_grad"), self.parameters())

    def count_parameters(self) -> tuple[int, int]:
        """Return how many parameters train, and how many there are."""
        return sum(map(torch.numel, self.trainable())), sum(map(torch.numel, self.parameters()))

    def describe_stage(self, number: int, name: str) -> str:
        """Return what trains in the present stage, its number from 0, as a line."""
        modules = ", ".join(["head", *(self.stage.train if self.stage else ())])
        trainable, total = self.count_parameters()
        return f"stage {number + 1}, {name}: {modules}; {trainable:,} of {total:,} parameters train"

    def train(self, mode: bool = True) -> "StagedModule":
        """Set the training mode; frozen modules of the present stage stay in eval mode."""
        super().train(mode)
        if mode and self.stage is not None:
            set_modes(self.backbone, self.stage.train, self.stage.batchnorm)
        return self

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return what trains in the present stage: in two groups where the head has a rate of its own."""
        if self.stage is None or self.stage.head_lr is None:
            return [{"params": list(self.trainable())}]
        backbone = [parameter for parameter in self.backbone.parameters() if parameter.requires_grad]
        return [{"params": backbone}, {"params": list(self.head.parameters()), "lr": self.stage.head_lr}]

    def configure_optimizers(self) -> Any:
        """Build the optimiser over what trains in the present stage, with its scheduler.

        Raises:
            UserError: Nothing trains.
        """
        if next(self.trainable(), None) is None:
            raise UserError("nothing trains in this stage: unfreeze a module, or give the head a layer")
        settings, schedule = self.settings.optimizer, self.settings.scheduler
        if self.stage is not None:
            settings = self.stage.optimizer or settings
            schedule = self.stage.scheduler or schedule
        optimizer = build_optimizer(settings, self.parameter_groups(), self.lr)
        if schedule.target is None:
            return optimizer
        steps = int(self.trainer.estimated_stepping_batches) if self.steps is None else self.steps
        scheduler = build_scheduler(schedule, optimizer, steps)
        return {"optimizer": optimizer, "lr_scheduler": scheduler}
