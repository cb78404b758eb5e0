"""The typed schema of conf/, as far as it concerns images: split, preparation, balance, transform, loader."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from karyocyte.common.installed import entries
from karyocyte.config.base import FROM_YAML, ClassConfig, Count, Name, Pixels, Probability, Seed, Share, StrictModel

MOST_WORKERS = 1000  # a mistyped number would start as many processes
Strength = Annotated[float, Field(ge=0.0, lt=1.0)]


class SplitConfig(StrictModel, defaults="train:split"):
    """Which images train, validate and test."""

    folds: Annotated[int, Field(ge=3)] = FROM_YAML
    fold: Count = FROM_YAML
    drawn_validation: Literal["fold", "share"] = FROM_YAML
    validation: Share = FROM_YAML
    test: str = FROM_YAML
    given_validation: str | None = FROM_YAML
    seed: Seed = FROM_YAML
    near_duplicates: Literal["stop", "report", "off"] = FROM_YAML

    former = {"near_duplicate_bits": 32, "link_subjects": True}


class CanvasConfig(StrictModel, defaults="train:prepare.canvas"):
    """How a chromosome is laid on a canvas that keeps its scale (``prepare.fit=canvas``)."""

    scale_by: Literal["image", "cell", "width"] = FROM_YAML
    scale: PositiveFloat = FROM_YAML
    area: PositiveFloat = FROM_YAML
    unknown_cell: Literal["stop", "width"] = FROM_YAML
    oversize: Literal["stop", "shrink"] = FROM_YAML
    equalize: bool = FROM_YAML


class PrepareConfig(StrictModel, defaults="train:prepare"):
    """The deterministic preparation of an image."""

    size: Pixels | tuple[Pixels, Pixels] = FROM_YAML
    background: Literal["black", "detect", "border"] = FROM_YAML
    augment_at: Pixels | None = FROM_YAML
    fit: Literal["square", "stretch", "canvas"] = FROM_YAML
    canvas: CanvasConfig = FROM_YAML
    crop: bool = FROM_YAML
    crop_threshold: Annotated[int, Field(ge=0, le=254)] = FROM_YAML
    clahe: bool = FROM_YAML
    clahe_clip_limit: PositiveFloat = FROM_YAML
    clahe_tiles: PositiveInt = FROM_YAML

    former = {"interpolation": "area", "frame": None}

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of a prepared image in pixels."""
        if isinstance(self.size, int):
            return self.size, self.size
        return self.size

    @property
    def scales_by_cell(self) -> bool:
        """Whether the scale of a chromosome depends on the other images of its cell."""
        return self.fit == "canvas" and self.canvas.scale_by == "cell"

    def for_single_images(self) -> "PrepareConfig":
        """Return the preparation of images whose cells are not known: they are scaled by the width instead."""
        canvas = self.canvas.model_copy(update={"unknown_cell": "width"})
        return self.model_copy(update={"canvas": canvas})

    @property
    def stored_shape(self) -> tuple[int, int]:
        """Height and width of an image in the cache, where it is augmented, in pixels."""
        return self.shape if self.augment_at is None else (self.augment_at, self.augment_at)

    @model_validator(mode="after")
    def _fits_together(self) -> "PrepareConfig":
        if self.fit == "square" and self.shape[0] != self.shape[1]:
            raise ValueError("size: fit=square makes square images: give one number, or set prepare.fit=canvas")
        if self.fit == "canvas":
            self._check_canvas()
        if self.augment_at is not None and self.augment_at < max(self.shape):
            raise ValueError(f"augment_at={self.augment_at} is below size: images would be enlarged again, raise it")
        return self

    def _check_canvas(self) -> None:
        if "canvas" not in entries("fits"):
            raise ValueError("fit=canvas needs packages/cytogenetics: make setup, or set prepare.fit=square")
        if self.clahe:
            raise ValueError("clahe lifts the black ground that fit=canvas finds the chromosome by: switch one off")
        if self.background == "border":
            raise ValueError("background=border may be light, fit=canvas lays chromosomes on black: set it to detect")
        if self.augment_at is not None:
            raise ValueError("augment_at would resize the canvas, whose scale fit=canvas keeps: leave it null")


class BalanceConfig(StrictModel, defaults="balance/none"):
    """How unequal classes of the train part are evened out."""

    name: Literal["none", "paper", "hem_all", "weighted_sampling"] = FROM_YAML


class TransformConfig(StrictModel, defaults="transform/none"):
    """The random transforms of training images; ``extra`` names further ones."""

    flips: bool = FROM_YAML
    rotations: bool = FROM_YAML
    probability: Probability = FROM_YAML
    apply_to: Literal["all", "copies"] = FROM_YAML
    each_epoch: bool = FROM_YAML
    mirror: bool = FROM_YAML
    rotate: Annotated[float, Field(ge=0.0, le=180.0)] = FROM_YAML
    stretch: Strength = FROM_YAML
    shift: Strength = FROM_YAML
    brightness: Strength = FROM_YAML
    gamma: Strength = FROM_YAML
    noise: Strength = FROM_YAML
    blur: Annotated[float, Field(ge=0.0, le=10.0)] = FROM_YAML
    extra: dict[Name, ClassConfig] = FROM_YAML


class LoaderConfig(StrictModel, defaults="train:loader"):
    """How batches reach the model."""

    batch_size: PositiveInt = FROM_YAML
    workers: Annotated[int, Field(ge=0, le=MOST_WORKERS)] | Literal["cores"] = FROM_YAML
    timeout: PositiveFloat | None = FROM_YAML
