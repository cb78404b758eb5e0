"""The settings of the sources of this package: sets of chromosomes, drawn ones, karyograms and metaphases."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat

from karyocyte.common.errors import UserError
from karyocyte.config.base import FROM_YAML, Count, Name, Probability, Seed, StrictModel
from karyocyte.config.sources import (
    MOST_IMAGES,
    AugmentedKaryogramsConfig,
    ChromosomesConfig,
    ChromosomeTableConfig,
    DrawnConfig,
    NamedImagesConfig,
)

PICTURE_RECIPES = ("detector", "cutter", "refiner")


class ChromosomeSetConfig(StrictModel):
    """One of the sets: where it lies, and what is known of its images."""

    folder: str
    weight: PositiveFloat
    upright: bool
    whole_cells: bool


class ChromosomeSetsConfig(ChromosomeTableConfig, defaults="data/chromosome_sets"):
    """Several sets of single chromosomes; the keys of their tables are those of all sets."""

    sets: Annotated[dict[Name, ChromosomeSetConfig], Field(min_length=1)] = FROM_YAML
    new_set: str | None = FROM_YAML
    new_cells: Count = FROM_YAML

    former = {"new_weight": 20.0}


class DrawnCellsConfig(DrawnConfig):
    """The cells of synthetic chromosomes."""

    cells: Annotated[int, Field(ge=3, le=MOST_IMAGES)] = FROM_YAML
    cases: Annotated[int, Field(ge=3)] = FROM_YAML
    abnormal: Probability = FROM_YAML

    def check(self) -> None:
        """Raise a ``UserError`` where there are fewer cells than cases."""
        if self.cells < self.cases:
            raise UserError(f"data.cells={self.cells} is less than data.cases={self.cases}: ask for more cells")


class SyntheticChromosomesConfig(DrawnCellsConfig, defaults="data/synthetic_chromosomes"):
    """Synthetic single chromosomes."""

    source: Literal["synthetic_chromosomes"]


class DerivedConfig(StrictModel):
    """How many karyograms of each kind of abnormality are derived from real normal ones; none of those left out."""

    gain: Count = 0
    sex_gain: Count = 0
    sex_loss: Count = 0


class ComposedKaryogramsConfig(AugmentedKaryogramsConfig, defaults="data/composed_karyograms"):
    """Karyograms composed from single chromosomes."""

    derived: DerivedConfig = FROM_YAML
    seed: Seed = FROM_YAML
    chromosomes: Annotated[ChromosomesConfig | SyntheticChromosomesConfig, Field(discriminator="source")]

    former = {"sheet": {"size": [640, 832], "scale": 1.1, "labels": True}}


class MetaphasesConfig(NamedImagesConfig, defaults="data/metaphases"):
    """Pictures of whole metaphases with a box per chromosome."""

    recipes = PICTURE_RECIPES

    marked: Literal["leave_out", "keep"] = FROM_YAML
    scale_boxes: bool = FROM_YAML


class SyntheticMetaphasesConfig(DrawnCellsConfig, defaults="data/synthetic_metaphases"):
    """Synthetic metaphases."""

    recipes = PICTURE_RECIPES
