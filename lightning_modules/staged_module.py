"""What all modules that are trained in stages have in common: what trains, the scale of the images, the optimiser."""

from collections.abc import Iterator
from contextlib import contextmanager
from operator import attrgetter
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import nn

from karyocyte.common.config.schema import StageConfig
from karyocyte.common.errors import UserError
from karyocyte.common.runs.run import ModelFacts
from lightning_modules.backbones.backbone import check_modules, set_modes, set_trainable
from lightning_modules.optimizers import TrainingSettings, build_optimizer, build_scheduler


class StagedModule(LightningModule):
    """A backbone and a head; all parameters train until ``configure_stage``. The arguments: see `Classifier`."""

    def __init__(self, backbone: nn.Module, head: nn.Module, facts: ModelFacts, settings: TrainingSettings) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.settings = settings
        self.network_args = dict(facts.args)
        self.network_args.pop("num_classes", None)  # 0 is implied by a backbone
        self.stage: StageConfig | None = None
        self.steps: int | None = None
        self.takes_features = False
        self.mean: torch.Tensor
        self.std: torch.Tensor
        self.register_buffer("mean", torch.tensor(facts.mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(facts.std).view(1, -1, 1, 1), persistent=False)

    def facts(self) -> ModelFacts:
        """Return what the weights depend on and do not hold: the scaling of the images and timm's arguments."""
        return ModelFacts(self.mean.flatten().tolist(), self.std.flatten().tolist(), self.network_args)

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
        self.steps = steps
        self.train()

    def trainable(self) -> Iterator[nn.Parameter]:
        """Yield the parameters that train."""
        return filter(attrgetter("requires_grad"), self.parameters())

    def count_parameters(self) -> tuple[int, int]:
        """Return how many parameters train, and how many there are."""
        return sum(map(torch.numel, self.trainable())), sum(map(torch.numel, self.parameters()))

    def train(self, mode: bool = True) -> "StagedModule":
        """Set the training mode; frozen modules of the present stage stay in eval mode."""
        super().train(mode)
        if mode and self.stage is not None:
            set_modes(self.backbone, self.stage.train, self.stage.batchnorm)
        return self

    @contextmanager
    def on_features(self, given: bool) -> Iterator[None]:
        """Take features, as ``fixed_features`` gives them, in place of images for the length of the block, if given."""
        self.takes_features = given
        try:
            yield
        finally:
            self.takes_features = False

    def normalised(self, image: torch.Tensor) -> torch.Tensor:
        """Return images (B, C, H, W), float in [0, 1], in the scale that the backbone takes."""
        # The batch is scaled to float32 after Lightning has converted it to the precision of the weights.
        return (image.to(self.mean.dtype) - self.mean) / self.std

    def configure_optimizers(self) -> Any:
        """Build the optimiser over what trains in the present stage, with its scheduler.

        Raises:
            UserError: Nothing trains.
        """
        trainable = list(self.trainable())
        if not trainable:
            raise UserError("nothing trains in this stage: unfreeze a module, or give the head a layer")
        rate, settings = self.settings.lr, self.settings.optimizer
        if self.stage is not None:
            rate, settings = self.stage.lr, self.stage.optimizer or settings
        optimizer = build_optimizer(settings, trainable, rate)
        if self.settings.scheduler.target is None:
            return optimizer
        steps = int(self.trainer.estimated_stepping_batches) if self.steps is None else self.steps
        scheduler = build_scheduler(self.settings.scheduler, optimizer, steps)
        return {"optimizer": optimizer, "lr_scheduler": scheduler}
