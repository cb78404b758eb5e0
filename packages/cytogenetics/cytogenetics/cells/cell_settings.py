"""The typed schema of packages/cytogenetics/conf/karyotype.yaml."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat

from karyocyte.config.base import FROM_YAML, Folder, Share, StrictModel

COMPLETE = 46  # chromosomes of a complete cell


class KaryotypePriors(StrictModel, defaults="karyotype"):
    """What is known of a cell before its chromosomes are looked at, see packages/cytogenetics/conf/karyotype.yaml."""

    referral: Annotated[float, Field(ge=1.0, le=100.0)] = FROM_YAML
    loss: Share = FROM_YAML
    gain: Share = FROM_YAML


@dataclass(frozen=True)
class NamingSettings:
    """How cells are named."""

    priors: KaryotypePriors  # of karyotypes
    refer_below: float  # an expert should look at karyotypes that are less probable, 0 to 1
    balanced: bool  # see ``karyotype_posterior``


class KaryotypeConfig(KaryotypePriors, defaults="karyotype"):
    """All keys of packages/cytogenetics/conf/karyotype.yaml."""

    input: Literal["auto", "chromosomes", "metaphases"] = FROM_YAML
    detector: Folder | None = FROM_YAML
    refiner: Literal["none"] | Folder | None = FROM_YAML
    cutter: Literal["none"] | Folder | None = FROM_YAML
    refer_below: Share = FROM_YAML
    refer_expected_wrong: NonNegativeFloat | None = FROM_YAML
    refer_distance: NonNegativeFloat | None = FROM_YAML
    settle_from: Share | None = FROM_YAML
    out_of_distribution: Share = FROM_YAML
    batchnorm: Literal["trained", "images"] | None = FROM_YAML
    follow_links: bool = FROM_YAML
    cache_dir: Folder | None = FROM_YAML

    @property
    def share_of_files(self) -> float:
        """The accepted share of chromosomes that are marked as out of distribution."""
        return 1 - float((1 - self.out_of_distribution) ** (1 / COMPLETE))
