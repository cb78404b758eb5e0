"""The typed schema of conf/: one frozen model per config group, unknown keys forbidden.

The comments that a user reads stand in conf/*.yaml; here stand types, ranges and what must hold together. What concerns
images before the batch is in `common.config.data`, and can be imported from here.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from common.config.base import Name, Probability, Share, StrictModel
from common.config.data import (
    AugmentedConfig,
    BalanceConfig,
    CanvasConfig,
    ChromosomesConfig,
    Cifar10Config,
    CnmcConfig,
    ComposedKaryogramsConfig,
    DataConfig,
    DerivedConfig,
    FolderConfig,
    HemAllConfig,
    KaryogramsConfig,
    LoaderConfig,
    MnistConfig,
    PaperSplit,
    PrepareConfig,
    SheetConfig,
    SourceConfig,
    SplitConfig,
    SyntheticChromosomesConfig,
    SyntheticConfig,
    TableConfig,
    TransformConfig,
    WithinPlacesConfig,
)

__all__ = [
    "AssignmentConfig",
    "AugmentedConfig",
    "AveragingConfig",
    "BalanceConfig",
    "CallbacksConfig",
    "CanvasConfig",
    "CheckAndAdjustConfig",
    "CheckpointConfig",
    "ChromosomesConfig",
    "Cifar10Config",
    "CnmcConfig",
    "ComposedKaryogramsConfig",
    "Config",
    "DataConfig",
    "DerivedConfig",
    "EarlyBreakConfig",
    "EarlyStoppingConfig",
    "EvaluationConfig",
    "FolderConfig",
    "HeadConfig",
    "HemAllConfig",
    "InferenceConfig",
    "KaryogramsConfig",
    "LevelConfig",
    "LoaderConfig",
    "LoggerConfig",
    "LossConfig",
    "MnistConfig",
    "ModelConfig",
    "OptimizerConfig",
    "PaperSplit",
    "PrepareConfig",
    "SchedulerConfig",
    "SheetConfig",
    "SourceConfig",
    "SplitConfig",
    "StageConfig",
    "SyntheticChromosomesConfig",
    "SyntheticConfig",
    "TableConfig",
    "TrainerConfig",
    "TransformConfig",
    "TriageConfig",
    "UnfreezeConfig",
    "WithinPlacesConfig",
]


class ModelConfig(StrictModel):
    """A timm backbone, whole or cut at a named module."""

    name: str
    args: dict[str, Any] = {}
    cut: str | None = None
    weights: str = "random"


class HeadConfig(StrictModel):
    """The layers between backbone and logits; ``logits: null`` means one per class."""

    layers: tuple[str | dict[str, Any], ...] = ("gap",)
    logits: PositiveInt | None = 1


class StageConfig(StrictModel):
    """One stage of training: what trains, how and for how long."""

    train: tuple[str, ...] = ()
    lr: PositiveFloat
    optimizer: str | None = None
    batchnorm: Literal["train", "frozen"] = "train"
    max_epochs: PositiveInt | None = None
    patience: PositiveInt | None = None


class UnfreezeConfig(StrictModel):
    """The stages, in their order; ``lr`` overrules every stage's own rate, ``train`` what the last of them trains."""

    stages: dict[Name, StageConfig] = Field(min_length=1)
    lr: PositiveFloat | None = None
    train: tuple[str, ...] | None = None


class OptimizerConfig(StrictModel):
    """A class of torch.optim by its name, and its arguments except the learning rate (a stage's)."""

    name: str = "Adam"
    args: dict[str, Any] = {}


class SchedulerConfig(StrictModel):
    """The learning rate within a stage."""

    name: Literal["none", "cosine", "one_cycle", "plateau"] = "none"
    warmup: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    factor: Share = 0.1
    patience: PositiveInt = 3

    @model_validator(mode="after")
    def _one_cycle_rises(self) -> "SchedulerConfig":
        if self.name == "one_cycle" and self.warmup == 0.0:
            raise ValueError("one_cycle rises first: set scheduler.warmup above 0, such as 0.3")
        return self


class LossConfig(StrictModel):
    """The training loss."""

    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0


class TrainerConfig(StrictModel):
    """Keys of Lightning's Trainer, by their own names."""

    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"] = "auto"
    strategy: Literal["auto", "ddp"] = "auto"
    devices: PositiveInt = 1
    num_nodes: PositiveInt = 1
    sync_batchnorm: bool = False
    precision: Literal["32-true", "64-true", "16-true", "bf16-true", "16-mixed", "bf16-mixed"] = "32-true"
    max_epochs: PositiveInt = 30
    max_images: PositiveInt | None = None
    channels_last: bool = False
    accumulate_grad_batches: PositiveInt = 1
    gradient_clip_val: PositiveFloat | None = None
    limit_train_batches: PositiveInt | Share | None = None
    limit_val_batches: PositiveInt | Share | None = None
    deterministic: bool | Literal["warn"] = "warn"
    enable_progress_bar: bool = True
    log_every_n_steps: PositiveInt = 10


class EarlyStoppingConfig(StrictModel):
    """When a stage ends before its last epoch."""

    enabled: bool = True
    patience: PositiveInt = 8
    min_delta: Annotated[float, Field(ge=0.0)] = 0.0


class CheckpointConfig(StrictModel):
    """How often the state for a resume is saved, besides the end of each epoch."""

    every_steps: PositiveInt | None = None
    every_minutes: PositiveFloat | None = None


class LevelConfig(StrictModel):
    """One level of the check-and-adjust algorithm (paper 002, Algorithm 1)."""

    above: Annotated[float, Field(ge=0.0, lt=1.0)]
    gate: Annotated[float, Field(ge=0.0, lt=1.0)]
    lr: PositiveFloat


class CheckAndAdjustConfig(StrictModel):
    """Rates and checkpoints by the best mini-batch accuracy so far (paper 002, Algorithm 1)."""

    enabled: bool = False
    every_steps: PositiveInt = 200
    every_epochs: PositiveInt | None = 10
    levels: tuple[LevelConfig, ...] = ()

    @model_validator(mode="after")
    def _levels_rise(self) -> "CheckAndAdjustConfig":
        above = [level.above for level in self.levels]
        if above != sorted(set(above)):
            raise ValueError("levels must rise: each `above` larger than the one before")
        if self.enabled and not self.levels:
            raise ValueError("levels: check_and_adjust needs one level or more")
        return self


class EarlyBreakConfig(StrictModel):
    """Stop when validation and training meet their expectations (paper 002, 2.2.1)."""

    enabled: bool = False
    validation: Probability = 0.95
    train: Probability = 0.95
    batches: PositiveInt = 5


class AveragingConfig(StrictModel):
    """An exponential moving average of the weights is validated, kept and tested instead of the last weights."""

    enabled: bool = False
    decay: Share = 0.998


class CallbacksConfig(StrictModel):
    """What watches the training."""

    monitor: Literal["val/loss", "val/acc", "val/auc", "val/f1_weighted"] = "val/loss"
    early_stopping: EarlyStoppingConfig = EarlyStoppingConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    check_and_adjust: CheckAndAdjustConfig = CheckAndAdjustConfig()
    early_break: EarlyBreakConfig = EarlyBreakConfig()
    averaging: AveragingConfig = AveragingConfig()

    @property
    def mode(self) -> Literal["min", "max"]:
        """Whether the least or the largest of the monitored metric is best."""
        if self.monitor == "val/loss":
            return "min"
        return "max"


class LoggerConfig(StrictModel):
    """What is logged beside the tables of the run."""

    csv: bool = True
    tensorboard: bool = True


class InferenceConfig(StrictModel):
    """How an image becomes a probability, once trained."""

    mirror: bool = False
    mc_passes: Annotated[int, Field(ge=0)] = 0


class TriageConfig(StrictModel):
    """Which images go to a person: the wishes, of two-class tasks."""

    enabled: bool = True
    sensitivity: Share = 0.99
    vote_share: Share = 0.8
    coverage: Share = 0.9


class AssignmentConfig(StrictModel):
    """How the chromosomes of a cell are placed jointly: costs in nats, against log-probabilities."""

    enabled: bool = False
    costs: Literal["fixed", "validation"] = "fixed"
    extra_cost: Annotated[float, Field(ge=0.0)] = 8.0
    missing_cost: Annotated[float, Field(ge=0.0)] = 4.0


class EvaluationConfig(StrictModel):
    """How the predictions are judged."""

    resamples: Annotated[int, Field(ge=10)] = 1000
    confidence: Share = 0.95
    interval: Literal["logit_t", "expanded_bca", "bca", "percentile"] = "logit_t"
    threshold: Literal["youden", "f1", "sensitivity"] = "youden"
    sensitivity: Share = 0.95
    seed: Annotated[int, Field(ge=0)] = 0
    calibration_bins: Annotated[int, Field(ge=2)] = 10
    correction: Literal["holm", "fdr_bh", "none"] = "holm"
    thumbnails: Annotated[int, Field(ge=0)] = 160
    triage: TriageConfig = TriageConfig()
    assignment: AssignmentConfig = AssignmentConfig()


class Config(StrictModel):
    """The whole configuration of one run: what `python train.py` composes from conf/."""

    name: Name
    data_dir: str | None = None
    output_dir: str = "outputs"
    cache_dir: str = "cache"
    protocol: Literal["subject", "image", "paper"] = "subject"
    seed: Annotated[int, Field(ge=0)] = 0
    resume: Literal["auto", "never"] = "auto"
    init_from: str | None = None
    weights: str
    data: DataConfig
    split: SplitConfig = SplitConfig()
    prepare: PrepareConfig = PrepareConfig()
    balance: BalanceConfig = BalanceConfig()
    transform: TransformConfig = TransformConfig()
    loader: LoaderConfig = LoaderConfig()
    model: ModelConfig
    head: HeadConfig = HeadConfig()
    unfreeze: UnfreezeConfig
    optimizer: OptimizerConfig = OptimizerConfig()
    scheduler: SchedulerConfig = SchedulerConfig()
    loss: LossConfig = LossConfig()
    trainer: TrainerConfig = TrainerConfig()
    callbacks: CallbacksConfig = CallbacksConfig()
    logger: LoggerConfig = LoggerConfig()
    inference: InferenceConfig = InferenceConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
