"""The typed schema of conf/: one frozen model per config group, unknown keys forbidden.

The comments for users are in conf/*.yaml; types, ranges and rules are here, those of images in `data.py`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

from karyocyte.common.config.base import FROM_YAML, Count, Folder, Name, Share, StrictModel, unknown
from karyocyte.common.config.data import (
    BalanceConfig,
    DataConfig,
    LoaderConfig,
    PrepareConfig,
    SplitConfig,
    TransformConfig,
)
from karyocyte.common.config.defaults import section_defaults


class ModelConfig(StrictModel):
    """A timm backbone, whole or cut at a named module."""

    name: str
    args: dict[str, Any]
    cut: str | None
    weights: str


class PretrainedConfig(StrictModel, defaults="train:pretrained"):
    """How a weights file is used that ends before the network does, or whose BatchNorm is folded."""

    missing: Literal["stop", "random"] = FROM_YAML
    batchnorm: Literal["frozen", "restored"] = FROM_YAML


# The path of a class of another package, such as torch.optim.lr_scheduler.StepLR.
DottedPath = Annotated[str, Field(pattern=r"^\w+(\.\w+)+$")]


def _has_target(settings: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(settings.get("_target_"), str):
        raise ValueError("_target_ is missing: name the class, such as pytorch_lightning.callbacks.LearningRateMonitor")
    return settings


Extension = Annotated[dict[str, Any], AfterValidator(_has_target)]
Extensions = dict[Name, Extension]


# Lightning's callbacks that only watch: they change nothing that is trained.
_WATCHERS = "DeviceStatsMonitor LearningRateMonitor ModelSummary RichModelSummary RichProgressBar ThroughputMonitor"
WATCHERS = {f"pytorch_lightning.callbacks.{name}" for name in _WATCHERS.split()}


def changes_result(extension: Mapping[str, Any]) -> bool:
    """Whether a callback may change what is trained: ``changes_result: false`` says that it does not."""
    return bool(extension.get("changes_result", extension["_target_"] not in WATCHERS))


class HeadConfig(StrictModel, defaults="train:head"):
    """The layers between backbone and logits; ``logits: null`` means one per class."""

    layers: tuple[str | dict[str, Any], ...] = FROM_YAML
    logits: PositiveInt | None = FROM_YAML
    orientation: bool = FROM_YAML


class StageConfig(StrictModel):
    """One stage of training: what trains, how and for how long."""

    train: tuple[str, ...] = ()
    lr: PositiveFloat
    optimizer: str | None = None
    batchnorm: Literal["train", "frozen"] = "train"
    max_epochs: PositiveInt | None = None
    patience: PositiveInt | None = None


class UnfreezeConfig(StrictModel, defaults="unfreeze/head_then_finetune"):
    """The stages, in their order; ``lr`` overrules every stage's own rate, ``train`` what the last of them trains."""

    stages: Annotated[dict[Name, StageConfig], Field(min_length=1)] = FROM_YAML
    lr: PositiveFloat | None = FROM_YAML
    train: tuple[str, ...] | None = FROM_YAML


class OptimizerConfig(StrictModel, defaults="optimizer/adam"):
    """A class of torch.optim by its name, or any optimiser by its dotted path, and its arguments except the rate."""

    name: str = FROM_YAML
    args: dict[str, Any] = FROM_YAML


class SchedulerConfig(StrictModel, defaults="scheduler/none"):
    """The learning rate within a stage."""

    name: Literal["none", "cosine", "one_cycle"] | DottedPath = FROM_YAML
    warmup: Annotated[float, Field(ge=0.0, lt=1.0)] = FROM_YAML
    args: dict[str, Any] = {}
    interval: Literal["step", "epoch"] = "step"

    @model_validator(mode="after")
    def _one_cycle_rises(self) -> "SchedulerConfig":
        if self.name == "one_cycle" and self.warmup == 0.0:
            raise ValueError("one_cycle rises first: set scheduler.warmup above 0, such as 0.3")
        return self


class LossConfig(StrictModel, defaults="train:loss"):
    """The loss: cross-entropy, or with ``_target_`` the class of another, whose arguments are the further keys."""

    model_config = ConfigDict(extra="allow")

    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = FROM_YAML

    @property
    def own(self) -> dict[str, Any] | None:
        """``_target_`` and the arguments of another loss; None for cross-entropy."""
        return self.model_extra or None

    @model_validator(mode="after")
    def _target_or_label_smoothing(self) -> "LossConfig":
        extra = self.own
        if extra and not isinstance(extra.get("_target_"), str):
            raise unknown(next(iter(extra)))
        if extra and self.label_smoothing:
            raise ValueError("label_smoothing is of cross-entropy: set it to 0 beside _target_")
        return self


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


class CallbackConfig(StrictModel):
    """A callback: the class ``_target_``, whose arguments are the further keys."""

    model_config = ConfigDict(extra="allow")

    enabled: bool = True

    @property
    def arguments(self) -> dict[str, Any]:
        """``_target_`` and the arguments of the class."""
        return dict(self.model_extra or {})


class CallbacksConfig(StrictModel, defaults="callbacks/default"):
    """What watches and steers the training; the keys of each callback are the arguments of its class."""

    monitor: str = FROM_YAML
    checkpoint: CheckpointConfig = FROM_YAML
    early_stopping: CallbackConfig = FROM_YAML
    check_and_adjust: CallbackConfig = FROM_YAML
    early_break: CallbackConfig = FROM_YAML
    averaging: CallbackConfig = FROM_YAML
    extra: Extensions = FROM_YAML

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
                    raise unknown(name, key)
                filled[name] = {**defaults, **given}
        return filled

    @property
    def named(self) -> dict[str, CallbackConfig]:
        """Our own optional callbacks that are enabled, by their keys, in the order in which they are called."""
        entries = {}
        for name in ("averaging", "check_and_adjust", "early_stopping", "early_break"):
            entry: CallbackConfig = getattr(self, name)
            if entry.enabled:
                entries[name] = entry
        return entries

    @property
    def changing(self) -> Mapping[str, Any]:
        """The extra callbacks without those that only watch: they may change what is trained."""
        return {name: entry for name, entry in self.extra.items() if changes_result(entry)}


class LoggerConfig(StrictModel, defaults="logger/default"):
    """What is logged beside the tables of the run."""

    tensorboard: bool = FROM_YAML
    extra: Extensions = FROM_YAML


class InferenceConfig(StrictModel, defaults="train:inference"):
    """How an image becomes a probability, once trained."""

    mirror: bool = FROM_YAML
    batchnorm: Literal["trained", "images"] = FROM_YAML
    mc_passes: Count = FROM_YAML


class TriageConfig(StrictModel, defaults="train:evaluation.triage"):
    """Targets of the referral to an expert; sensitivity and votes are of two classes."""

    sensitivity: Share = FROM_YAML
    accuracy: Share = FROM_YAML
    vote_share: Share = FROM_YAML
    coverage: Share = FROM_YAML


class AssignmentConfig(StrictModel, defaults="train:evaluation.assignment"):
    """The joint assignment of the chromosomes of a cell."""

    enabled: bool = FROM_YAML


class EvaluationConfig(StrictModel, defaults="train:evaluation"):
    """How the predictions are evaluated."""

    resamples: Annotated[int, Field(ge=10)] = FROM_YAML
    confidence: Share = FROM_YAML
    interval: Literal["logit_t", "percentile"] = FROM_YAML
    threshold: Literal["youden", "f1", "sensitivity"] = FROM_YAML
    sensitivity: Share = FROM_YAML
    seed: Count = FROM_YAML
    thumbnails: Count = FROM_YAML
    train_images: Count = FROM_YAML
    out_of_distribution: Share = FROM_YAML
    triage: TriageConfig = FROM_YAML
    assignment: AssignmentConfig = FROM_YAML
    extra: Extensions = FROM_YAML


class Config(StrictModel, defaults="train"):
    """The whole configuration of one run: what `python train.py` composes from conf/."""

    name: Name
    data_dir: Folder | None = FROM_YAML
    follow_links: bool = FROM_YAML
    alike_names: Literal["report", "merge", "distinct"] = FROM_YAML
    weights_dir: Folder | None = FROM_YAML
    output_dir: Folder = FROM_YAML
    cache_dir: Folder = FROM_YAML
    cache_features: Literal["auto", "off"] = FROM_YAML
    recipe: Literal["classifier", "detector", "cutter"] = FROM_YAML
    protocol: Literal["subject", "image", "paper"] = FROM_YAML
    seed: Count = FROM_YAML
    resume: Literal["auto", "never"] = FROM_YAML
    init_from: Folder | None = FROM_YAML
    weights: str
    pretrained: PretrainedConfig = FROM_YAML
    data: DataConfig
    split: SplitConfig = FROM_YAML
    prepare: PrepareConfig = FROM_YAML
    balance: BalanceConfig = FROM_YAML
    transform: TransformConfig = FROM_YAML
    loader: LoaderConfig = FROM_YAML
    model: ModelConfig
    head: HeadConfig = FROM_YAML
    unfreeze: UnfreezeConfig
    optimizer: OptimizerConfig = FROM_YAML
    scheduler: SchedulerConfig = FROM_YAML
    loss: LossConfig = FROM_YAML
    trainer: TrainerConfig = FROM_YAML
    callbacks: CallbacksConfig = FROM_YAML
    logger: LoggerConfig = FROM_YAML
    inference: InferenceConfig = FROM_YAML
    evaluation: EvaluationConfig = FROM_YAML
