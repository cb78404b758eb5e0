"""A fixed pattern of bands for each of the 24 classes of drawn chromosomes.

The patterns are made up: drawn once per class by a seeded generator, dark and light in turn, more of them on longer
chromosomes. What a cytogeneticist knows each chromosome by at once is put in by hand: the dark blocks beside the
centromeres of 1 and 16, the pale one of 9, the dark long arm of Y, and the stalks and satellites of the acrocentrics.
"""

from typing import NamedTuple

import numpy as np

from datamodules.synthesis.ideogram import IDEOGRAM


class Band(NamedTuple):
    """A band that differs from the light ones around it.

    Attributes:
        start: From the end of the short arm, in million bases.
        end: Likewise.
        dye: How much Giemsa it takes, 0 to 1; about 0.2 is a light band, 1 the darkest.
    """

    start: float
    end: float
    dye: float


LIGHT = 0.2  # the dye of all that is no band here
ACROCENTRIC = ("13", "14", "15", "21", "22")  # their short arms are a stalk with a satellite
# dyes
_STALK = 0.16
_SATELLITE = 0.66
_DYES = (0.36, 0.56, 0.76, 0.95)  # four grades of dark bands
# Million bases: at a resolution of some 400 bands a haploid set has one every 7.5.
_DARK = (2.0, 7.5)
_PALE = (1.5, 5.5)
# By class: first and last place of a block, in million bases from the centromere, and its dye.
_BLOCKS = {"1": (0.0, 16.0, 0.66), "9": (0.0, 15.0, 0.36), "16": (0.0, 8.0, 0.66), "Y": (16.0, 45.0, 0.66)}
_SEED = 24  # of the patterns


def _pattern(number: int, label: str) -> tuple[Band, ...]:
    """Draw the bands of one class, from the end of the short arm to that of the long arm."""
    arms = IDEOGRAM[label]
    rng = np.random.default_rng([_SEED, number])
    landmarks = _landmarks(label)
    taken = max((band.end for band in landmarks if band.start < arms.centromere_mb), default=0.0)
    bands = []
    place = taken + rng.uniform(*_PALE)
    while place < arms.length_mb - _DARK[0]:
        end = min(place + rng.uniform(*_DARK), arms.length_mb)
        bands.append(Band(place, end, float(rng.choice(_DYES))))
        place = end + rng.uniform(*_PALE)
    free = [band for band in bands if all(band.end < mark.start or band.start > mark.end for mark in landmarks)]
    return tuple(sorted([*free, *landmarks]))


def _landmarks(label: str) -> list[Band]:
    arms = IDEOGRAM[label]
    if label in ACROCENTRIC:
        short = arms.centromere_mb
        return [Band(0.0, 0.3 * short, _SATELLITE), Band(0.3 * short, 0.6 * short, _STALK)]
    if label in _BLOCKS:
        start, end, dye = _BLOCKS[label]
        return [Band(arms.centromere_mb + start, arms.centromere_mb + end, dye)]
    return []


BANDS = {label: _pattern(number, label) for number, label in enumerate(IDEOGRAM)}
