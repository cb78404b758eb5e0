"""The settings of composed karyograms: the sheet, and the abnormalities that are derived."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, PositiveFloat

from karyocyte.common.config.base import FROM_YAML, Pixels, StrictModel
from karyocyte.common.config.data import SourceConfig

Count = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class SheetLayout:
    """The sheet that a karyogram is laid out on; lengths in pixels, gaps the least, those of rows hold the labels."""

    size: tuple[int, int]
    scale: float
    labels: bool
    margin: int = 24
    homologue_gap: int = 4
    pair_gap: int = 14
    row_gap: int = 28


class SheetConfig(StrictModel, defaults="data/composed_karyograms:sheet"):
    """The keys of `SheetLayout`; margins and gaps are the usual ones."""

    size: tuple[Pixels, Pixels] = FROM_YAML
    scale: PositiveFloat = FROM_YAML
    labels: bool = FROM_YAML


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


class CompositionConfig(SourceConfig):
    """What karyograms are composed and derived by."""

    sheet: SheetConfig = FROM_YAML
    derived: DerivedConfig = FROM_YAML
    seed: Count = FROM_YAML
