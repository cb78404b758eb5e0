"""The typed schema of conf/, as far as it concerns images: sources, split, preparation, balance, transform, loader."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from common.config.base import Pixels, Probability, Share, StrictModel


class PaperSplit(StrictModel):
    """What a paper did: random parts of the images, unstratified unless said; the test part takes the rest."""

    train: Share
    validation: Share
    stratify: bool = False

    @model_validator(mode="after")
    def _leaves_a_test_part(self) -> "PaperSplit":
        if self.train + self.validation >= 1.0:
            raise ValueError("train + validation must stay below 1: the rest is the test part")
        return self


class SourceConfig(StrictModel):
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
    group_column: str | None = None


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


class SyntheticChromosomesConfig(SourceConfig):
    """Procedurally drawn single chromosomes: the embedded default of chromosomes and karyograms."""

    source: Literal["synthetic_chromosomes"]
    cells: Annotated[int, Field(ge=3)] = 60
    cases: Annotated[int, Field(ge=3)] = 40
    abnormal: Probability = 0.1
    seed: Annotated[int, Field(ge=0)] = 0


class AugmentedConfig(StrictModel):
    """Under protocol=paper: how many images an original becomes before the split, itself among them."""

    normal: Annotated[float, Field(ge=1.0)] = 3.58
    abnormal: Annotated[float, Field(ge=1.0)] = 7.71


class KaryogramsConfig(SourceConfig):
    """Whole karyograms in two folders, normal and abnormal."""

    source: Literal["karyograms"]
    subject_regex: str | None = None
    augmented: AugmentedConfig = AugmentedConfig()


class SheetConfig(StrictModel):
    """The sheet that a karyogram is laid out on; lengths in pixels of the sheet."""

    size: tuple[Pixels, Pixels] = (640, 832)
    scale: PositiveFloat = 1.1
    margin: Annotated[int, Field(ge=0)] = 24
    homologue_gap: Annotated[int, Field(ge=0)] = 4
    pair_gap: Annotated[int, Field(ge=0)] = 14
    row_gap: Annotated[int, Field(ge=0)] = 28
    labels: bool = True


class DerivedConfig(StrictModel):
    """How many karyograms of each kind of abnormality are derived from real normal ones."""

    gain: Annotated[int, Field(ge=0)] = 0
    sex_gain: Annotated[int, Field(ge=0)] = 0
    sex_loss: Annotated[int, Field(ge=0)] = 0
    autosome_loss: Annotated[int, Field(ge=0)] = 0
    terminal_deletion: Annotated[int, Field(ge=0)] = 0
    interstitial_deletion: Annotated[int, Field(ge=0)] = 0
    duplication: Annotated[int, Field(ge=0)] = 0
    translocation: Annotated[int, Field(ge=0)] = 0
    inversion: Annotated[int, Field(ge=0)] = 0


class ComposedKaryogramsConfig(SourceConfig):
    """Karyograms composed from single chromosomes, with known truth."""

    source: Literal["composed_karyograms"]
    chromosomes: Annotated[ChromosomesConfig | SyntheticChromosomesConfig, Field(discriminator="source")]
    sheet: SheetConfig = SheetConfig()
    derived: DerivedConfig = DerivedConfig()
    gained: tuple[str, ...] = ("13", "18", "21")
    segment: tuple[Share, Share] = (0.2, 0.4)
    parents: Literal["keep", "leave_out"] = "keep"
    preparation_loss: Literal["leave_out", "class"] = "leave_out"
    seed: Annotated[int, Field(ge=0)] = 0
    augmented: AugmentedConfig = AugmentedConfig()


DataConfig = Annotated[
    CnmcConfig
    | FolderConfig
    | TableConfig
    | SyntheticConfig
    | MnistConfig
    | Cifar10Config
    | ChromosomesConfig
    | HemAllConfig
    | SyntheticChromosomesConfig
    | KaryogramsConfig
    | ComposedKaryogramsConfig,
    Field(discriminator="source"),
]


class SplitConfig(StrictModel):
    """Which images train, validate and test."""

    folds: Annotated[int, Field(ge=3)] = 5
    fold: Annotated[int, Field(ge=0)] = 0
    drawn_validation: Literal["fold", "share"] = "fold"
    validation: Share = 0.2
    test: str = "fold"
    seed: Annotated[int, Field(ge=0)] = 0
    near_duplicates: Literal["report", "stop", "off"] = "report"
    near_duplicate_bits: Annotated[int, Field(ge=0, le=255)] = 32


class CanvasConfig(StrictModel):
    """How a chromosome is laid on a canvas that keeps its scale (``prepare.fit=canvas``)."""

    align: bool = True
    scale_by: Literal["image", "cell"] = "image"
    scale: PositiveFloat = 1.0
    area: PositiveFloat = 800.0
    oversize: Literal["stop", "shrink"] = "stop"


class PrepareConfig(StrictModel):
    """The deterministic preparation of an image."""

    size: Pixels | tuple[Pixels, Pixels] = 224
    background: Literal["black", "detect"] = "black"
    augment_at: Pixels | None = None
    fit: Literal["square", "stretch", "canvas"] = "square"
    canvas: CanvasConfig = CanvasConfig()
    compact: bool = False
    compact_gap: PositiveInt = 12
    crop: bool = True
    crop_threshold: Annotated[int, Field(ge=0, le=254)] = 0
    clahe: bool = False
    clahe_clip_limit: PositiveFloat = 2.0
    clahe_tiles: PositiveInt = 8
    interpolation: Literal["area", "bilinear", "bicubic", "nearest"] = "area"

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of a prepared image in pixels."""
        if isinstance(self.size, int):
            return (self.size, self.size)
        return self.size

    @property
    def stored_shape(self) -> tuple[int, int]:
        """Height and width of an image in the cache, where it is augmented, in pixels."""
        if self.augment_at is None:
            return self.shape
        return (self.augment_at, self.augment_at)

    @model_validator(mode="after")
    def _fits_together(self) -> "PrepareConfig":
        if self.fit == "square" and self.shape[0] != self.shape[1]:
            raise ValueError("size: fit=square makes square images: give one number, or set prepare.fit=canvas")
        if self.fit == "canvas" and self.clahe:
            raise ValueError("clahe lifts the black ground that fit=canvas finds the chromosome by: switch one off")
        if self.fit == "canvas" and self.compact:
            raise ValueError("compact closes the gaps of whole karyograms, fit=canvas takes one chromosome: drop one")
        if self.augment_at is not None:
            self._is_augmented_larger(self.augment_at)
        return self

    def _is_augmented_larger(self, side: int) -> None:
        if self.fit == "canvas":
            raise ValueError("augment_at would resize the canvas, whose scale fit=canvas keeps: leave it null")
        if side < max(self.shape):
            raise ValueError(f"augment_at={side} is smaller than size: images would be enlarged again, raise it")


class BalanceConfig(StrictModel):
    """How unequal classes of the train part are evened out."""

    name: Literal["none", "paper", "hem_all", "weighted_sampling", "class_weights"] = "none"


class WithinPlacesConfig(StrictModel):
    """Random changes of each chromosome of a karyogram at its own place."""

    rotate: Annotated[float, Field(ge=0.0, le=45.0)] = 0.0
    mirror: bool = False
    bend: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0


class TransformConfig(StrictModel):
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
    brightness: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    noise: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    blur: Annotated[float, Field(ge=0.0, le=10.0)] = 0.0
    within_places: WithinPlacesConfig = WithinPlacesConfig()


class LoaderConfig(StrictModel):
    """How batches reach the model."""

    batch_size: PositiveInt = 32
    workers: Annotated[int, Field(ge=0)] = 0
    pin_memory: bool = False
