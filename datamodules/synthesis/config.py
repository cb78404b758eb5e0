"""The settings of composed karyograms: the sheet, and the abnormalities that are derived."""

from typing import Annotated

from pydantic import Field, PositiveFloat

from common.config.base import FROM_YAML, Pixels, Share, StrictModel
from common.config.data import SourceConfig

Count = Annotated[int, Field(ge=0)]


class SheetConfig(StrictModel, defaults="data/composed_karyograms:sheet"):
    """The sheet that a karyogram is laid out on; lengths in pixels of the sheet."""

    size: tuple[Pixels, Pixels] = FROM_YAML
    scale: PositiveFloat = FROM_YAML
    margin: Count = FROM_YAML
    homologue_gap: Count = FROM_YAML
    pair_gap: Count = FROM_YAML
    row_gap: Count = FROM_YAML
    labels: bool = FROM_YAML


class DerivedConfig(StrictModel):
    """How many karyograms of each kind of abnormality are derived from real normal ones; none of those left out."""

    gain: Count = 0
    sex_gain: Count = 0
    sex_loss: Count = 0
    autosome_loss: Count = 0
    terminal_deletion: Count = 0
    interstitial_deletion: Count = 0
    duplication: Count = 0
    translocation: Count = 0
    inversion: Count = 0


class CompositionConfig(SourceConfig):
    """What karyograms are composed and derived by."""

    sheet: SheetConfig = FROM_YAML
    derived: DerivedConfig = FROM_YAML
    gained: tuple[str, ...] = FROM_YAML
    segment: tuple[Share, Share] = FROM_YAML
    seed: Count = FROM_YAML
