"""The typed schema of conf/, as far as it concerns images: sources, split, preparation, balance, transform, loader."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from common.config.base import FROM_YAML, Pixels, Probability, Share, StrictModel


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
    on_broken: Literal["stop", "skip"] = FROM_YAML
    paper_split: PaperSplit | None = None


class CnmcConfig(SourceConfig, defaults="data/cnmc"):
    """C-NMC 2019 in the challenge's own folders."""

    source: Literal["cnmc"]
    parts: tuple[Literal["training", "prelim", "final"], ...] = FROM_YAML


class FolderConfig(SourceConfig, defaults="data/folder"):
    """One sub-folder per class."""

    source: Literal["folder"]
    classes: tuple[str, ...] | None = FROM_YAML
    subject_regex: str | None = FROM_YAML


class TableConfig(SourceConfig, defaults="data/table"):
    """A CSV file, one row per image."""

    source: Literal["table"]
    file: str = FROM_YAML
    path_column: str = FROM_YAML
    label_column: str = FROM_YAML
    subject_column: str | None = FROM_YAML
    part_column: str | None = FROM_YAML
    group_column: str | None = FROM_YAML


class SyntheticConfig(SourceConfig, defaults="data/synthetic"):
    """Procedurally drawn blood cells: the embedded default."""

    source: Literal["synthetic"]
    images: Annotated[int, Field(ge=4)] = FROM_YAML
    subjects: Annotated[int, Field(ge=2)] = FROM_YAML
    size: Annotated[int, Field(ge=32)] = FROM_YAML
    ambiguous: Probability = FROM_YAML
    seed: Annotated[int, Field(ge=0)] = FROM_YAML


class MnistConfig(SourceConfig, defaults="data/mnist"):
    """MNIST: torchvision's IDX files."""

    source: Literal["mnist"]
    download: bool = FROM_YAML


class Cifar10Config(SourceConfig, defaults="data/cifar10"):
    """CIFAR-10: torchvision's batches, or a tree of JPEG files."""

    source: Literal["cifar10"]
    download: bool = FROM_YAML


class ChromosomesConfig(SourceConfig, defaults="data/chromosomes"):
    """Single chromosomes in 24 classes, by a table or by class folders."""

    source: Literal["chromosomes"]
    file: str | None = FROM_YAML
    path_column: str = FROM_YAML
    label_column: str = FROM_YAML
    subject_column: str | None = FROM_YAML
    cell_column: str | None = FROM_YAML
    cell_regex: str | None = FROM_YAML


class HemAllConfig(SourceConfig, defaults="data/hem_all"):
    """C-NMC 2019 as paper 003 uses it: ALL subsampled, turned copies."""

    source: Literal["hem_all"]
    parts: tuple[Literal["training", "prelim", "final"], ...] = FROM_YAML
    images: PositiveInt | None = FROM_YAML


class SyntheticChromosomesConfig(SourceConfig, defaults="data/synthetic_chromosomes"):
    """Procedurally drawn single chromosomes: the embedded default of chromosomes and karyograms."""

    source: Literal["synthetic_chromosomes"]
    cells: Annotated[int, Field(ge=3)] = FROM_YAML
    cases: Annotated[int, Field(ge=3)] = FROM_YAML
    abnormal: Probability = FROM_YAML
    seed: Annotated[int, Field(ge=0)] = FROM_YAML


class AugmentedConfig(StrictModel):
    """Under protocol=paper: how many images an original becomes before the split, itself among them."""

    normal: Annotated[float, Field(ge=1.0)]
    abnormal: Annotated[float, Field(ge=1.0)]


class KaryogramsConfig(SourceConfig, defaults="data/karyograms"):
    """Whole karyograms in two folders, normal and abnormal."""

    source: Literal["karyograms"]
    subject_regex: str | None = FROM_YAML
    augmented: AugmentedConfig = FROM_YAML


class SheetConfig(StrictModel, defaults="data/composed_karyograms:sheet"):
    """The sheet that a karyogram is laid out on; lengths in pixels of the sheet."""

    size: tuple[Pixels, Pixels] = FROM_YAML
    scale: PositiveFloat = FROM_YAML
    margin: Annotated[int, Field(ge=0)] = FROM_YAML
    homologue_gap: Annotated[int, Field(ge=0)] = FROM_YAML
    pair_gap: Annotated[int, Field(ge=0)] = FROM_YAML
    row_gap: Annotated[int, Field(ge=0)] = FROM_YAML
    labels: bool = FROM_YAML


class DerivedConfig(StrictModel):
    """How many karyograms of each kind of abnormality are derived from real normal ones; none of those left out."""

    gain: Annotated[int, Field(ge=0)] = 0
    sex_gain: Annotated[int, Field(ge=0)] = 0
    sex_loss: Annotated[int, Field(ge=0)] = 0
    autosome_loss: Annotated[int, Field(ge=0)] = 0
    terminal_deletion: Annotated[int, Field(ge=0)] = 0
    interstitial_deletion: Annotated[int, Field(ge=0)] = 0
    duplication: Annotated[int, Field(ge=0)] = 0
    translocation: Annotated[int, Field(ge=0)] = 0
    inversion: Annotated[int, Field(ge=0)] = 0


class ComposedKaryogramsConfig(SourceConfig, defaults="data/composed_karyograms"):
    """Karyograms composed from single chromosomes, with known truth."""

    source: Literal["composed_karyograms"]
    chromosomes: Annotated[ChromosomesConfig | SyntheticChromosomesConfig, Field(discriminator="source")]
    sheet: SheetConfig = FROM_YAML
    derived: DerivedConfig = FROM_YAML
    gained: tuple[str, ...] = FROM_YAML
    segment: tuple[Share, Share] = FROM_YAML
    parents: Literal["keep", "leave_out"] = FROM_YAML
    preparation_loss: Literal["leave_out", "class"] = FROM_YAML
    seed: Annotated[int, Field(ge=0)] = FROM_YAML
    augmented: AugmentedConfig = FROM_YAML


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


class SplitConfig(StrictModel, defaults="train:split"):
    """Which images train, validate and test."""

    folds: Annotated[int, Field(ge=3)] = FROM_YAML
    fold: Annotated[int, Field(ge=0)] = FROM_YAML
    drawn_validation: Literal["fold", "share"] = FROM_YAML
    validation: Share = FROM_YAML
    test: str = FROM_YAML
    seed: Annotated[int, Field(ge=0)] = FROM_YAML
    near_duplicates: Literal["report", "stop", "off"] = FROM_YAML
    near_duplicate_bits: Annotated[int, Field(ge=0, le=255)] = FROM_YAML


class CanvasConfig(StrictModel, defaults="train:prepare.canvas"):
    """How a chromosome is laid on a canvas that keeps its scale (``prepare.fit=canvas``)."""

    align: bool = FROM_YAML
    scale_by: Literal["image", "cell"] = FROM_YAML
    scale: PositiveFloat = FROM_YAML
    area: PositiveFloat = FROM_YAML
    oversize: Literal["stop", "shrink"] = FROM_YAML


class PrepareConfig(StrictModel, defaults="train:prepare"):
    """The deterministic preparation of an image."""

    size: Pixels | tuple[Pixels, Pixels] = FROM_YAML
    background: Literal["black", "detect"] = FROM_YAML
    augment_at: Pixels | None = FROM_YAML
    fit: Literal["square", "stretch", "canvas"] = FROM_YAML
    canvas: CanvasConfig = FROM_YAML
    compact: bool = FROM_YAML
    compact_gap: PositiveInt = FROM_YAML
    crop: bool = FROM_YAML
    crop_threshold: Annotated[int, Field(ge=0, le=254)] = FROM_YAML
    clahe: bool = FROM_YAML
    clahe_clip_limit: PositiveFloat = FROM_YAML
    clahe_tiles: PositiveInt = FROM_YAML
    interpolation: Literal["area", "bilinear", "bicubic", "nearest"] = FROM_YAML

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of a prepared image in pixels."""
        if isinstance(self.size, int):
            return (self.size, self.size)
        return self.size

    @property
    def scales_by_cell(self) -> bool:
        """Whether the scale of a chromosome depends on the other images of its cell."""
        return self.fit == "canvas" and self.canvas.scale_by == "cell"

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


class BalanceConfig(StrictModel, defaults="balance/none"):
    """How unequal classes of the train part are evened out."""

    name: Literal["none", "paper", "hem_all", "weighted_sampling", "class_weights"] = FROM_YAML


class WithinPlacesConfig(StrictModel, defaults="transform/none:within_places"):
    """Random changes of each chromosome of a karyogram at its own place."""

    rotate: Annotated[float, Field(ge=0.0, le=45.0)] = FROM_YAML
    mirror: bool = FROM_YAML
    bend: Annotated[float, Field(ge=0.0, lt=1.0)] = FROM_YAML


class TransformConfig(StrictModel, defaults="transform/none"):
    """The random transforms of training images."""

    flips: bool = FROM_YAML
    rotations: bool = FROM_YAML
    probability: Probability = FROM_YAML
    apply_to: Literal["all", "copies"] = FROM_YAML
    each_epoch: bool = FROM_YAML
    mirror: bool = FROM_YAML
    rotate: Annotated[float, Field(ge=0.0, le=180.0)] = FROM_YAML
    stretch: Annotated[float, Field(ge=0.0, lt=1.0)] = FROM_YAML
    shift: Annotated[float, Field(ge=0.0, lt=1.0)] = FROM_YAML
    contrast: Annotated[float, Field(ge=0.0, lt=1.0)] = FROM_YAML
    gamma: Annotated[float, Field(ge=0.0, lt=1.0)] = FROM_YAML
    bend: Annotated[float, Field(ge=0.0, lt=1.0)] = FROM_YAML
    brightness: Annotated[float, Field(ge=0.0, lt=1.0)] = FROM_YAML
    noise: Annotated[float, Field(ge=0.0, lt=1.0)] = FROM_YAML
    blur: Annotated[float, Field(ge=0.0, le=10.0)] = FROM_YAML
    within_places: WithinPlacesConfig = FROM_YAML


class LoaderConfig(StrictModel, defaults="train:loader"):
    """How batches reach the model."""

    batch_size: PositiveInt = FROM_YAML
    workers: Annotated[int, Field(ge=0)] = FROM_YAML
    pin_memory: bool = FROM_YAML
