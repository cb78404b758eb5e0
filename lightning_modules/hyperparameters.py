"""What a classifier is built from, beside its weights: the hyperparameters in its checkpoints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from karyocyte.common.config.schema import LossConfig, OptimizerConfig, SchedulerConfig
from karyocyte.common.errors import UserError, close_names
from karyocyte.common.runs.run import ModelFacts
from lightning_modules.backbones.truncation import ImageSize
from lightning_modules.optimizers import TrainingSettings


@dataclass(frozen=True)
class Hyperparameters:
    """A classifier in plain values, which are ``model.hparams`` and in every checkpoint of it."""

    backbone: str  # timm's name, or one of lightning_modules.networks
    args: dict[str, Any]  # further arguments of the network
    cut: str | None  # the module whose output are the features; None for the whole network
    image_size: ImageSize
    head: Sequence[str | dict[str, Any]]  # as ``head.layers`` of conf/train.yaml
    logits: int  # outputs of the head: with orientation two per class, else one per class, or one for two classes
    orientation: bool
    num_classes: int
    mean: list[float]  # of the channels of images in [0, 1], with which they are normalised
    std: list[float]
    loss: dict[str, Any]  # as the sections of conf/train.yaml, and so the next two
    optimizer: dict[str, Any]
    scheduler: dict[str, Any]
    lr: float

    @classmethod
    def of_checkpoint(cls, saved: Mapping[str, Any], changes: Mapping[str, Any]) -> "Hyperparameters":
        """Return those of a checkpoint with some values changed.

        Raises:
            UserError: There is none of a name.
        """
        names = [field.name for field in fields(cls)]
        for name in changes:
            if name not in names:
                raise UserError(f"load_from_checkpoint has no argument {name}: {close_names(name, names)}")
        return cls(**{**saved, **changes})

    @property
    def facts(self) -> ModelFacts:
        """The scale of the images and the arguments of the network."""
        return ModelFacts(self.mean, self.std, self.args)

    @property
    def settings(self) -> TrainingSettings:
        """How it is trained."""
        return TrainingSettings(
            LossConfig.model_validate(self.loss),
            OptimizerConfig.model_validate(self.optimizer),
            SchedulerConfig.model_validate(self.scheduler),
            self.lr,
        )
