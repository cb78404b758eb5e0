"""The settings of the sources of this package: composed karyograms, and pictures of metaphases."""

from typing import Annotated, Literal

from pydantic import Field

from karyocyte.config.base import FROM_YAML, Count, Seed, StrictModel
from karyocyte.config.sources import (
    AugmentedKaryogramsConfig,
    ChromosomesConfig,
    DrawnCellsConfig,
    NamedImagesConfig,
    SyntheticChromosomesConfig,
)

PICTURE_RECIPES = ("detector", "cutter", "refiner")


class DerivedConfig(StrictModel):
    """How many karyograms of each kind of abnormality are derived from real normal ones; none of those left out."""

    gain: Count = 0
    sex_gain: Count = 0
    sex_loss: Count = 0
    terminal_deletion: Count = 0
    interstitial_deletion: Count = 0
    duplication: Count = 0
    translocation: Count = 0
    inversion: Count = 0


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
