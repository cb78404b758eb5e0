"""Lengths and centromeres of the 24 human chromosomes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Arms(NamedTuple):
    """A chromosome's two arms.

    Attributes:
        length_mb: Of the whole chromosome in million bases.
        centromere_mb: Where the centromere is, from the end of the short arm, in million bases.
    """

    length_mb: float
    centromere_mb: float

    @property
    def short_arm(self) -> float:
        """The short arm's share of the length, a little above 0.5 at most."""
        return self.centromere_mb / self.length_mb


# Human assembly GRCh37 (Genome Reference Consortium, 2009), rounded.
IDEOGRAM: Mapping[str, Arms] = MappingProxyType(
    {
        "1": Arms(249.25, 125.0),
        "2": Arms(243.20, 93.3),
        "3": Arms(198.02, 91.0),
        "4": Arms(191.15, 50.4),
        "5": Arms(180.92, 48.4),
        "6": Arms(171.12, 61.0),
        "7": Arms(159.14, 59.9),
        "8": Arms(146.36, 45.6),
        "9": Arms(141.21, 49.0),
        "10": Arms(135.53, 40.2),
        "11": Arms(135.01, 53.7),
        "12": Arms(133.85, 35.8),
        "13": Arms(115.17, 17.9),
        "14": Arms(107.35, 17.6),
        "15": Arms(102.53, 19.0),
        "16": Arms(90.35, 36.6),
        "17": Arms(81.20, 24.0),
        "18": Arms(78.08, 17.2),
        "19": Arms(59.13, 26.5),
        "20": Arms(63.03, 27.5),
        "21": Arms(48.13, 13.2),
        "22": Arms(51.30, 14.7),
        "X": Arms(155.27, 60.6),
        "Y": Arms(59.37, 12.5),
    }
)
