"""What all modules that are trained in stages have in common: what trains, and the optimiser."""

import math
from collections.abc import Sequence
from typing import Any

from pytorch_lightning import LightningModule
from pytorch_lightning.trainer.states import TrainerFn
from torch import nn

from karyocyte.common.errors import UserError
from karyocyte.config.schema import StageConfig
from lightning_modules.backbones.backbone import check_modules, set_modes, set_trainable
from lightning_modules.modules.image_network import ImageNetwork
from lightning_modules.optimizers import TrainingSettings, build_optimizer, build_scheduler


def named_layers(module: nn.Module, stage: StageConfig) -> tuple[nn.Module, Sequence[str]]:
    """Return the module whose layers a stage names, and the names of those that train.

    It is the ``backbone`` of a module that has one and a ``head``, which trains in every stage; any other module is
    named by its own layers, and its ``head`` trains where a stage names none.
    """
    if hasattr(module, "backbone") and hasattr(module, "head"):
        return module.get_submodule("backbone"), stage.train
    return module, stage.train or ("head",)


def set_trained(module: nn.Module, stage: StageConfig) -> None:
    """Let only what trains in a stage take gradients; a ``UserError`` says that there is no such layer."""
    layers, names = named_layers(module, stage)
    check_modules(layers, names)
    set_trainable(layers, names)
    if layers is not module:
        module.get_submodule("head").requires_grad_(True)


def set_eval_modes(module: nn.Module, stage: StageConfig) -> None:
    """Put the layers that are frozen in a stage, of a module in train mode, in eval mode."""
    layers, names = named_layers(module, stage)
    set_modes(layers, names, stage.batchnorm)
    module.training = True


def count_parameters(module: nn.Module) -> tuple[int, int]:
    """Return how many parameters train, and how many there are."""
    return sum(each.numel() for each in _trainable(module)), sum(each.numel() for each in module.parameters())


def describe_stage(module: nn.Module, stage: StageConfig, number: int, name: str) -> str:
    """Return what trains in a stage, its number from 0, as a line."""
    layers, names = named_layers(module, stage)
    modules = ", ".join(names if layers is module else ("head", *names))
    trainable, total = count_parameters(module)
    return f"stage {number + 1}, {name}: {modules}; {trainable:,} of {total:,} parameters train"


class StagedModule(ImageNetwork, LightningModule):
    """A network whose parameters all train until ``configure_stage``."""

    settings: TrainingSettings
    lr: float  # of the optimiser that is built next; Lightning's search of a rate sets it, too
    stage: StageConfig | None = None
    steps: int | None = None
    _steps_before: int | None = None  # of the schedule of the fit that goes on

    def configure_stage(self, stage: StageConfig, steps: int | None = None) -> None:
        """Freeze and unfreeze as a stage asks for; optimiser, schedule and BatchNorm follow it from now on.

        The scheduler plans for a number of optimiser ``steps``; None: Lightning's estimate.

        Raises:
            UserError: The backbone has no such module.
        """
        set_trained(self, stage)
        self.stage = stage
        self.lr = stage.lr
        self.steps = steps
        self.train()

    def on_train_start(self) -> None:
        """Put what trains in train mode, whatever a caller has done to it since.

        Raises:
            UserError: A schedule that was planned for another number of steps would go on.
        """
        self.train()
        before, now = self._steps_before, self._planned_steps()
        self._steps_before = None  # of this fit alone
        if before != now and None not in (before, now):
            remedy = f"set max_epochs to those of {before} steps, or load the weights alone and begin a new fit"
            raise UserError(f"the schedule ends after {before} steps, and this fit has {now}: {remedy}")

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Note how many steps the schedule is planned for."""
        checkpoint["planned_steps"] = self._planned_steps()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take over how many steps the schedule of a fit that goes on is planned for."""
        if self.trainer.state.fn == TrainerFn.FITTING:
            self._steps_before = checkpoint.get("planned_steps")

    def _planned_steps(self) -> int | None:
        """Return how many optimiser steps the schedule of a fit without stages is for; None of a constant rate."""
        is_fit = self.trainer.state.fn == TrainerFn.FITTING
        if not is_fit or self.steps is not None or self.settings.scheduler.target is None:
            return None
        return self._steps_of_fit()

    def _steps_of_fit(self) -> int:
        steps = self.trainer.estimated_stepping_batches
        if math.isinf(steps):
            raise UserError("the schedule needs the length of the fit: set max_epochs or max_steps of the Trainer")
        return int(steps)

    def train(self, mode: bool = True) -> "StagedModule":
        """Set the training mode; frozen modules of the present stage stay in eval mode."""
        super().train(mode)
        if mode and self.stage is not None:
            set_eval_modes(self, self.stage)
        return self

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return what trains in the present stage: in two groups where the head has a rate of its own."""
        if self.stage is None or self.stage.head_lr is None:
            return [{"params": _trainable(self)}]
        backbone = _trainable(self.backbone)
        return [{"params": backbone}, {"params": list(self.head.parameters()), "lr": self.stage.head_lr}]

    def configure_optimizers(self) -> Any:
        """Build the optimiser over what trains in the present stage, with its scheduler.

        Raises:
            UserError: Nothing trains.
        """
        if not _trainable(self):
            raise UserError("nothing trains in this stage: unfreeze a module, or give the head a layer")
        settings, schedule = self.settings.optimizer, self.settings.scheduler
        if self.stage is not None:
            settings = self.stage.optimizer or settings
            schedule = self.stage.scheduler or schedule
        optimizer = build_optimizer(settings, self.parameter_groups(), self.lr)
        if schedule.target is None:
            return optimizer
        steps = self._steps_of_fit() if self.steps is None else self.steps
        scheduler = build_scheduler(schedule, optimizer, steps)
        return {"optimizer": optimizer, "lr_scheduler": scheduler}


def _trainable(module: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in module.parameters() if parameter.requires_grad]
