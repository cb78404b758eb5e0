"""The typed schema of conf/: one frozen model per config group, unknown keys forbidden.

The comments that a user reads stand in conf/*.yaml; here stand types, ranges and what must hold together.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

# A name becomes a folder's: no separator, and it does not begin with a dot.
Name = Annotated[str, Field(pattern=r"^\w[\w.-]*$")]
Pixels = Annotated[int, Field(ge=8)]
Share = Annotated[float, Field(gt=0.0, lt=1.0)]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]


class Strict(BaseModel):
    """Frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), coerce_numbers_to_str=True)


class PaperSplit(Strict):
    """What a paper did: random parts of the images, unstratified unless said; the test part takes the rest."""

    train: Share
    validation: Share
    stratify: bool = False

    @model_validator(mode="after")
    def _leaves_a_test_part(self) -> "PaperSplit":
        if self.train + self.validation >= 1.0:
            raise ValueError("train + validation must stay below 1: the rest is the test part")
        return self


class SourceConfig(Strict):
    """Keys that every source of images has."""

    positive_class: str | None = None
    on_broken: Literal["stop", "skip"] = "stop"
    paper_split: PaperSplit | None = None


class CnmcConfig(SourceConfig):
    """C-NMC 2019 in the challenge's own folders."""

    source: Literal["cnmc"]
    parts: tuple[Literal["training", "prelim", "final"], ...] = ("training",)


class FolderConfig(SourceConfig):
    """One sub-folder per class."""

    source: Literal["folder"]
    classes: tuple[str, ...] | None = None
    subject_regex: str | None = None


class TableConfig(SourceConfig):
    """A CSV file, one row per image."""

    source: Literal["table"]
    file: str = "labels.csv"
    path_column: str = "path"
    label_column: str = "label"
    subject_column: str | None = None
    part_column: str | None = None


class SyntheticConfig(SourceConfig):
    """Procedurally drawn blood cells: the embedded default."""

    source: Literal["synthetic"]
    images: Annotated[int, Field(ge=4)] = 600
    subjects: Annotated[int, Field(ge=2)] = 120
    size: Annotated[int, Field(ge=32)] = 160
    ambiguous: Probability = 0.15
    seed: Annotated[int, Field(ge=0)] = 0


class MnistConfig(SourceConfig):
    """MNIST: torchvision's IDX files."""

    source: Literal["mnist"]
    download: bool = False


class Cifar10Config(SourceConfig):
    """CIFAR-10: torchvision's batches, or a tree of JPEG files."""

    source: Literal["cifar10"]
    download: bool = False


class ChromosomesConfig(SourceConfig):
    """Single chromosomes in 24 classes, by a table or by class folders."""

    source: Literal["chromosomes"]
    file: str | None = "labels.csv"
    path_column: str = "path"
    label_column: str = "class"
    subject_column: str | None = "case_id"
    cell_column: str | None = "cell_id"
    cell_regex: str | None = None


class HemAllConfig(SourceConfig):
    """C-NMC 2019 as paper 003 uses it: ALL subsampled, turned copies."""

    source: Literal["hem_all"]
    parts: tuple[Literal["training", "prelim", "final"], ...] = ("training",)
    images: PositiveInt | None = None


DataConfig = Annotated[
    CnmcConfig
    | FolderConfig
    | TableConfig
    | SyntheticConfig
    | MnistConfig
    | Cifar10Config
    | ChromosomesConfig
    | HemAllConfig,
    Field(discriminator="source"),
]


class SplitConfig(Strict):
    """Which images train, validate and test."""

    folds: Annotated[int, Field(ge=3)] = 5
    fold: Annotated[int, Field(ge=0)] = 0
    drawn_validation: Literal["fold", "share"] = "fold"
    validation: Share = 0.2
    test: str = "fold"
    seed: Annotated[int, Field(ge=0)] = 0
    near_duplicates: Literal["report", "stop", "off"] = "report"
    near_duplicate_bits: Annotated[int, Field(ge=0, le=255)] = 32


class CanvasConfig(Strict):
    """How a chromosome is laid on a canvas that keeps its scale (``prepare.fit=canvas``)."""

    align: bool = True
    scale_by: Literal["image", "cell"] = "image"
    scale: PositiveFloat = 1.0
    area: PositiveFloat = 800.0
    oversize: Literal["stop", "shrink"] = "stop"


class PrepareConfig(Strict):
    """The deterministic preparation of an image."""

    size: Pixels | tuple[Pixels, Pixels] = 224
    background: Literal["black", "detect"] = "black"
    fit: Literal["square", "canvas"] = "square"
    canvas: CanvasConfig = CanvasConfig()
    crop: bool = True
    crop_threshold: Annotated[int, Field(ge=0, le=254)] = 0
    clahe: bool = False
    clahe_clip_limit: PositiveFloat = 2.0
    clahe_tiles: PositiveInt = 8
    interpolation: Literal["area", "bilinear", "bicubic", "nearest"] = "area"

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of a prepared image in pixels."""
        return (self.size, self.size) if isinstance(self.size, int) else self.size

    @model_validator(mode="after")
    def _fits_together(self) -> "PrepareConfig":
        if self.fit == "square" and self.shape[0] != self.shape[1]:
            raise ValueError("size: fit=square makes square images: give one number, or set prepare.fit=canvas")
        if self.fit == "canvas" and self.clahe:
            raise ValueError("clahe lifts the black ground that fit=canvas finds the chromosome by: switch one off")
        return self


class BalanceConfig(Strict):
    """How unequal classes of the train part are evened out."""

    name: Literal["none", "paper", "hem_all", "weighted_sampling", "class_weights"] = "none"


class TransformConfig(Strict):
    """The random transforms of training images."""

    flips: bool = False
    rotations: bool = False
    probability: Probability = 0.0
    apply_to: Literal["all", "copies"] = "all"
    each_epoch: bool = True
    mirror: bool = False
    rotate: Annotated[float, Field(ge=0.0, le=180.0)] = 0.0
    stretch: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    shift: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    contrast: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    gamma: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    bend: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0


class LoaderConfig(Strict):
    """How batches reach the model."""

    batch_size: PositiveInt = 32
    workers: Annotated[int, Field(ge=0)] = 0
    pin_memory: bool = False


class ModelConfig(Strict):
    """A timm backbone, whole or cut at a named module."""

    name: str
    args: dict[str, Any] = {}
    cut: str | None = None
    weights: str = "random"


class HeadConfig(Strict):
    """The layers between backbone and logits; ``logits: null`` means one per class."""

    layers: tuple[str | dict[str, Any], ...] = ("gap",)
    logits: PositiveInt | None = 1


class StageConfig(Strict):
    """One stage of training: what trains, how and for how long."""

    train: tuple[str, ...] = ()
    lr: PositiveFloat
    optimizer: str | None = None
    batchnorm: Literal["train", "frozen"] = "train"
    max_epochs: PositiveInt | None = None
    patience: PositiveInt | None = None


class UnfreezeConfig(Strict):
    """The stages, in their order; ``lr`` overrules every stage's own rate."""

    stages: dict[Name, StageConfig] = Field(min_length=1)
    lr: PositiveFloat | None = None


class OptimizerConfig(Strict):
    """A class of torch.optim by its name, and its arguments except the learning rate (a stage's)."""

    name: str = "Adam"
    args: dict[str, Any] = {}


class SchedulerConfig(Strict):
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


class LossConfig(Strict):
    """The training loss."""

    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0


class TrainerConfig(Strict):
    """Keys of Lightning's Trainer, by their own names."""

    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"] = "auto"
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


class EarlyStoppingConfig(Strict):
    """When a stage ends before its last epoch."""

    enabled: bool = True
    patience: PositiveInt = 8
    min_delta: Annotated[float, Field(ge=0.0)] = 0.0


class CheckpointConfig(Strict):
    """How often the state for a resume is saved, besides the end of each epoch."""

    every_steps: PositiveInt | None = None


class LevelConfig(Strict):
    """One level of the check-and-adjust algorithm (paper 002, Algorithm 1)."""

    above: Annotated[float, Field(ge=0.0, lt=1.0)]
    gate: Annotated[float, Field(ge=0.0, lt=1.0)]
    lr: PositiveFloat


class CheckAndAdjustConfig(Strict):
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


class EarlyBreakConfig(Strict):
    """Stop when validation and training meet their expectations (paper 002, 2.2.1)."""

    enabled: bool = False
    validation: Probability = 0.95
    train: Probability = 0.95
    batches: PositiveInt = 5


class AveragingConfig(Strict):
    """An exponential moving average of the weights is validated, kept and tested instead of the last weights."""

    enabled: bool = False
    decay: Share = 0.998


class CallbacksConfig(Strict):
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
        return "min" if self.monitor == "val/loss" else "max"


class LoggerConfig(Strict):
    """What is logged beside the tables of the run."""

    csv: bool = True
    tensorboard: bool = True


class InferenceConfig(Strict):
    """How an image becomes a probability, once trained."""

    mirror: bool = False


class AssignmentConfig(Strict):
    """How the chromosomes of a cell are placed jointly: costs in nats, against log-probabilities."""

    enabled: bool = False
    costs: Literal["fixed", "validation"] = "fixed"
    extra_cost: Annotated[float, Field(ge=0.0)] = 8.0
    missing_cost: Annotated[float, Field(ge=0.0)] = 4.0


class EvaluationConfig(Strict):
    """How the predictions are judged."""

    resamples: Annotated[int, Field(ge=10)] = 1000
    confidence: Share = 0.95
    threshold: Literal["youden", "f1", "sensitivity"] = "youden"
    sensitivity: Share = 0.95
    seed: Annotated[int, Field(ge=0)] = 0
    assignment: AssignmentConfig = AssignmentConfig()


class Config(Strict):
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
