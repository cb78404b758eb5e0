"""The settings of composed karyograms: the sheet, and the abnormalities that are derived."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, PositiveFloat

from common.config.base import FROM_YAML, Pixels, StrictModel
from common.config.data import SourceConfig

Count = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class SheetLayout:
    """The sheet that a karyogram is laid out on; lengths in pixels of the sheet.

    Homologues have their gap in addition to the space for turning each by 6 degrees. The gaps of pairs and of rows,
    which hold the labels, are the smallest.
    """

    size: tuple[int, int]
    scale: float
    labels: bool
    margin: int = 24
    homologue_gap: int = 4
    pair_gap: int = 14
    row_gap: int = 28


class SheetConfig(StrictModel, defaults="data/composed_karyograms:sheet"):
    """The sheet that a karyogram is laid out on."""

    size: tuple[Pixels, Pixels] = FROM_YAML
    scale: PositiveFloat = FROM_YAML
    labels: bool = FROM_YAML

    @property
    def layout(self) -> SheetLayout:
        """The sheet with its usual margins and gaps."""
        return SheetLayout(self.size, self.scale, self.labels)


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
