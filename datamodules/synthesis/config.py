"""The settings of composed karyograms: the sheet, and the abnormalities that are derived."""

from typing import Annotated

from pydantic import Field, PositiveFloat

from common.config.base import FROM_YAML, Pixels, Share, StrictModel
from common.config.data import SourceConfig


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


class CompositionConfig(SourceConfig):
    """What karyograms are composed and derived by."""

    sheet: SheetConfig = FROM_YAML
    derived: DerivedConfig = FROM_YAML
    gained: tuple[str, ...] = FROM_YAML
    segment: tuple[Share, Share] = FROM_YAML
    seed: Annotated[int, Field(ge=0)] = FROM_YAML
