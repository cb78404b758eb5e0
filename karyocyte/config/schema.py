"""The typed schema of conf/: one frozen model per config group, unknown keys forbidden.

The comments for users are in conf/*.yaml; types, ranges and rules are here, those of images in `data.py`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, ValidationError, model_validator
from pydantic_core import InitErrorDetails

from karyocyte.common.errors import UserError
from karyocyte.common.installed import entries
from karyocyte.config.base import FROM_YAML, ClassConfig, Count, Folder, Name, Seed, Share, StrictModel
from karyocyte.config.data import BalanceConfig, LoaderConfig, PrepareConfig, SplitConfig, TransformConfig
from karyocyte.config.defaults import section_defaults
from karyocyte.config.sources import DataConfig


class ModelConfig(StrictModel):
    """A timm backbone, whole or cut at a named module."""

    name: str
    args: dict[str, Any]
    cut: str | None
    weights: str


class PretrainedConfig(StrictModel, defaults="train:pretrained"):
    """The scale of the images that a weights file takes."""

    mean: tuple[float, float, float] | None = FROM_YAML
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] | None = FROM_YAML

    former = {"missing": "stop"}


# Lightning's callbacks that only watch: they change nothing that is trained.
_WATCHERS = "DeviceStatsMonitor LearningRateMonitor ModelSummary RichModelSummary RichProgressBar ThroughputMonitor"
WATCHERS = {f"pytorch_lightning.callbacks.{name}" for name in _WATCHERS.split()}


class HeadConfig(StrictModel, defaults="train:head"):
    """The layers between backbone and logits; ``logits: null`` means one per class."""

    layers: tuple[str | dict[str, Any], ...] = FROM_YAML
    logits: PositiveInt | None = FROM_YAML
    orientation: bool = FROM_YAML
    start: Literal["kept", "new"] = FROM_YAML


class OptimizerConfig(ClassConfig, defaults="optimizer/adam"):
    """An optimiser, without its learning rate."""


class SchedulerConfig(ClassConfig, defaults="scheduler/none"):
    """The learning rate within a stage, by its optimiser steps: a schedule, or with ``_target_: null`` none."""

    former = {"interval": "step"}

    @model_validator(mode="after")
    def _names_a_class(self) -> "SchedulerConfig":
        if self.target is None and len(self.entry) > 1:
            raise ValueError("a constant rate has no arguments: choose scheduler=cosine, or name scheduler._target_")
        return self


class LossConfig(ClassConfig, defaults="loss/cross_entropy"):
    """The loss of training and validation."""

    former = {"class_weights": None}


class StageConfig(StrictModel):
    """One stage of training: what trains, how and for how long."""

    train: tuple[str, ...] = ()
    lr: PositiveFloat
    head_lr: PositiveFloat | None = None
    optimizer: OptimizerConfig | None = None
    scheduler: SchedulerConfig | None = None
    batchnorm: Literal["train", "frozen"] = "train"
    max_epochs: PositiveInt | None = None

    former = {"patience": None}

    @model_validator(mode="after")
    def _head_has_a_rate_of_its_own_beside_others(self) -> "StageConfig":
        if self.head_lr and not self.train:
            raise ValueError("head_lr: the head trains alone at `lr`: set this, and head_lr=null")
        return self


class UnfreezeConfig(StrictModel, defaults="unfreeze/head_then_finetune"):
    """The stages, in their order; ``lr`` overrules every stage's own rate, ``train`` what the last of them trains."""

    stages: Annotated[dict[Name, StageConfig], Field(min_length=1)] = FROM_YAML
    deliver: Literal["last", "best"] = FROM_YAML
    lr: PositiveFloat | None = FROM_YAML
    train: tuple[str, ...] | None = FROM_YAML


class TrainerConfig(StrictModel, defaults="trainer/default"):
    """Keys of Lightning's Trainer, by their own names."""

    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"] = FROM_YAML
    devices: PositiveInt = FROM_YAML
    num_nodes: PositiveInt = FROM_YAML
    sync_batchnorm: bool = FROM_YAML
    precision: Literal["32-true", "64-true", "16-true", "bf16-true", "16-mixed", "bf16-mixed"] = FROM_YAML
    max_epochs: PositiveInt = FROM_YAML
    max_images: PositiveInt | None = FROM_YAML
    channels_last: bool = FROM_YAML
    accumulate_grad_batches: PositiveInt = FROM_YAML
    gradient_clip_val: PositiveFloat | None = FROM_YAML
    limit_train_batches: PositiveInt | Share | None = FROM_YAML
    limit_val_batches: PositiveInt | Share | None = FROM_YAML
    deterministic: bool | Literal["warn"] = FROM_YAML
    benchmark: bool = FROM_YAML
    matmul_precision: Literal["highest", "high", "medium"] = FROM_YAML
    enable_progress_bar: bool = FROM_YAML

    @property
    def processes(self) -> int:
        """Number of processes of a run."""
        return self.devices * self.num_nodes


class CheckpointConfig(StrictModel, defaults="callbacks/default:checkpoint"):
    """How often the state for a resume is saved, besides ends of epochs (with a new best, or at little cost)."""

    every_steps: PositiveInt | None = FROM_YAML
    every_minutes: PositiveFloat | None = FROM_YAML


class CallbackConfig(ClassConfig):
    """A callback, which can be switched off."""

    enabled: bool = True


class ExtraCallbackConfig(CallbackConfig):
    """A callback of users; one that only watches, by ``changes_result: false``, is no part of a run's address."""

    changes_result: bool = True


class CallbacksConfig(StrictModel, defaults="callbacks/default"):
    """What watches and steers the training; the keys of each callback are the arguments of its class."""

    monitor: str = FROM_YAML
    checkpoint: CheckpointConfig = FROM_YAML
    early_stopping: CallbackConfig = FROM_YAML
    check_and_adjust: CallbackConfig = FROM_YAML
    early_break: CallbackConfig = FROM_YAML
    averaging: CallbackConfig = FROM_YAML
    extra: dict[Name, ExtraCallbackConfig] = FROM_YAML

    @model_validator(mode="before")
    @classmethod
    def _keys_of_named_callbacks(cls, values: Any) -> Any:
        """Fill up what our own callbacks leave out, and refuse the keys that they do not have."""
        filled = dict(values)
        for name, defaults in section_defaults("callbacks/default").items():
            given = filled.get(name, {})
            if not isinstance(defaults, Mapping) or not isinstance(given, Mapping) or "_target_" not in defaults:
                continue
            if given.get("_target_", defaults["_target_"]) == defaults["_target_"]:
                for key in given.keys() - defaults.keys():
                    fault = InitErrorDetails(type="extra_forbidden", loc=(name, key), input=None)
                    raise ValidationError.from_exception_data("", [fault])
                filled[name] = {**defaults, **given}
        return filled

    @property
    def enabled(self) -> dict[str, CallbackConfig]:
        """The callbacks that are enabled, by their keys, in the order in which they are called."""
        own = ("averaging", "check_and_adjust", "early_stopping", "early_break")
        entries = {name: getattr(self, name) for name in own}
        entries |= {f"extra.{name}": entry for name, entry in self.extra.items()}
        return {name: entry for name, entry in entries.items() if entry.enabled}

    @property
    def changing_entries(self) -> dict[str, dict[str, Any]]:
        """The entries of the extra callbacks that may change what is trained."""
        extra = {name: each for name, each in self.extra.items() if each.enabled and each.changes_result}
        return {name: each.entry for name, each in extra.items() if each.target not in WATCHERS}


class LoggerConfig(StrictModel, defaults="logger/default"):
    """What is logged beside the tables of the run."""

    tensorboard: bool = FROM_YAML
    extra: dict[Name, ClassConfig] = FROM_YAML


class InferenceConfig(StrictModel, defaults="train:inference"):
    """How an image becomes a probability, once trained."""

    mirror: bool = FROM_YAML
    batchnorm: Literal["trained", "images"] = FROM_YAML
    mc_passes: Count = FROM_YAML


class TriageConfig(StrictModel, defaults="train:evaluation.triage"):
    """Targets of the referral to an expert; ``vote_share`` is of passes."""

    former = {"sensitivity": 0.99}
    accuracy: Share = FROM_YAML
    vote_share: Annotated[float, Field(gt=0.5, le=1.0)] = FROM_YAML

    def check_votes(self, has_passes: bool) -> None:
        """Raise a ``UserError`` for a ``vote_share`` other than the default where no passes vote."""
        if not has_passes and self.vote_share != TriageConfig().vote_share:
            fault = f"evaluation.triage.vote_share={self.vote_share:g}: there are no passes of Monte Carlo dropout"
            raise UserError(f"{fault}: train with `inference.mc_passes=100`, or leave it out")


class AssignmentConfig(StrictModel, defaults="train:evaluation.assignment"):
    """The joint assignment of the chromosomes of a cell."""

    enabled: bool = FROM_YAML


class EvaluationConfig(StrictModel, defaults="train:evaluation"):
    """How the predictions are evaluated."""

    former = {"interval": "logit_t"}
    resamples: Annotated[int, Field(ge=10)] = FROM_YAML
    confidence: Share = FROM_YAML
    threshold: Literal["youden", "f1", "sensitivity"] = FROM_YAML
    sensitivity: Share = FROM_YAML
    seed: Seed = FROM_YAML
    thumbnails: Count = FROM_YAML
    train_images: Count = FROM_YAML
    out_of_distribution: Share = FROM_YAML
    triage: TriageConfig = FROM_YAML
    assignment: AssignmentConfig = FROM_YAML
    extra: dict[Name, ClassConfig] = FROM_YAML


class TrainingConfig(StrictModel):
    """The keys that the trainings of all kinds of networks have; each kind, its ``recipe``, adds its own.

    The name of the primary configuration says the kind.
    """

    recipe: str = "classifier"
    name: Name
    data_dir: Folder | None = FROM_YAML
    follow_links: bool = FROM_YAML
    alike_names: Literal["report", "distinct"] = FROM_YAML
    same_cells: Folder = FROM_YAML
    weights_dir: Folder | None = FROM_YAML
    output_dir: Folder = FROM_YAML
    cache_dir: Folder = FROM_YAML
    protocol: Literal["subject", "image", "paper"] = FROM_YAML
    seed: Seed = FROM_YAML
    init_from: Folder | None = FROM_YAML
    weights: str
    pretrained: PretrainedConfig = FROM_YAML
    data: DataConfig
    split: SplitConfig = FROM_YAML
    transform: TransformConfig = FROM_YAML
    loader: LoaderConfig = FROM_YAML
    model: ModelConfig
    unfreeze: UnfreezeConfig
    optimizer: OptimizerConfig = FROM_YAML
    scheduler: SchedulerConfig = FROM_YAML
    trainer: TrainerConfig = FROM_YAML
    callbacks: CallbacksConfig = FROM_YAML
    logger: LoggerConfig = FROM_YAML

    former = {"resume": "auto"}

    @property
    def backbone_size(self) -> int | tuple[int, int]:
        """Side of the images that the backbone is built for, or height and width, in pixels."""
        return 64


class Config(TrainingConfig, defaults="train"):
    """The whole configuration of a classifier's run: what `python train.py` composes from conf/."""

    prepare: PrepareConfig = FROM_YAML
    balance: BalanceConfig = FROM_YAML
    head: HeadConfig = FROM_YAML
    loss: LossConfig = FROM_YAML
    inference: InferenceConfig = FROM_YAML
    evaluation: EvaluationConfig = FROM_YAML

    former = {**TrainingConfig.former, "cache_features": "auto"}

    @property
    def backbone_size(self) -> int | tuple[int, int]:
        """Side of the prepared images, or height and width, in pixels."""
        return self.prepare.size


def configuration_of(recipe: str) -> type[TrainingConfig]:
    """Return the configuration of a kind of network; a ``UserError`` names the kinds that there are."""
    installed = entries("configurations")
    if recipe != "classifier" and recipe not in installed:
        raise UserError(f"recipe={recipe}: choose one of {', '.join(['classifier', *installed])}")
    return Config if recipe == "classifier" else installed[recipe].load()


def as_classifier(config: TrainingConfig) -> Config:
    """Return the configuration of a classifier as such; a ``UserError`` says that it is that of another network."""
    if isinstance(config, Config):
        return config
    raise UserError(f"data={config.data.source} is for a {config.recipe}: name the data of a classifier here")
