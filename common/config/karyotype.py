"""The typed schema of conf/karyotype.yaml: how frequent karyotypes are."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from common.config.base import FROM_YAML, Share, StrictModel
from common.config.command import read_section
from common.karyotype import AUTOSOMES, SEX_ANEUPLOIDIES

CELL = 46  # chromosomes


class KaryotypePriors(StrictModel, defaults="karyotype"):
    """What is known of a karyotype before its chromosomes are looked at; shares, see conf/karyotype.yaml."""

    male: Share = FROM_YAML
    trisomy: dict[str, Share] = FROM_YAML
    rare_trisomy: Share = FROM_YAML
    sex_chromosomes: dict[str, Share] = FROM_YAML
    referral: Annotated[float, Field(ge=1.0)] = FROM_YAML
    mosaic: Share = FROM_YAML
    loss: Share = FROM_YAML
    gain: Share = FROM_YAML

    @field_validator("trisomy")
    @classmethod
    def _of_autosomes(cls, trisomy: dict[str, float]) -> dict[str, float]:
        unknown = sorted(set(trisomy) - set(AUTOSOMES))
        if unknown:
            raise ValueError(f"{unknown[0]} is no autosome: the keys are 1 to 22")
        return trisomy

    @field_validator("sex_chromosomes")
    @classmethod
    def _of_viable_complements(cls, shares: dict[str, float]) -> dict[str, float]:
        if set(shares) != set(SEX_ANEUPLOIDIES):
            raise ValueError(f"the keys are {', '.join(SEX_ANEUPLOIDIES)}")
        return shares

    @model_validator(mode="after")
    def _leaves_room_for_normal_karyotypes(self) -> "KaryotypePriors":
        autosomes = len(AUTOSOMES) - len(self.trisomy)
        of_autosomes = sum(self.trisomy.values()) + autosomes * self.rare_trisomy
        female = sum(share for sex, share in self.sex_chromosomes.items() if "Y" not in sex)
        male = sum(share for sex, share in self.sex_chromosomes.items() if "Y" in sex)
        abnormal = self.referral * (of_autosomes + max(female, male))
        if abnormal >= 1:
            raise ValueError(f"referral={self.referral:g} leaves no share for normal karyotypes: set it lower")
        return self


class KaryotypeConfig(KaryotypePriors, defaults="karyotype"):
    """All keys of conf/karyotype.yaml."""

    out_of_distribution: Share = FROM_YAML

    @property
    def share_of_files(self) -> float:
        """The accepted share of chromosomes that are marked as out of distribution."""
        return 1 - float((1 - self.out_of_distribution) ** (1 / CELL))


def load_karyotype_config(overrides: Sequence[str] = ()) -> KaryotypeConfig:
    """Read conf/karyotype.yaml with overrides such as ``loss=0.01`` or ``trisomy.21=0.002``.

    Raises:
        UserError: A key is unknown (the nearest right ones are named), or a value has the wrong type or range.
    """
    return read_section(KaryotypeConfig, overrides)
