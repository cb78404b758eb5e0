"""Lengths, centromeres and bands of the 24 human chromosomes.

The bands are made up, by a seeded generator. What each chromosome is known by is put in by hand: the dark blocks beside
the centromeres of 1 and 16, the pale one of 9, the dark long arm of Y, stalks and satellites of the acrocentrics.
"""

from typing import NamedTuple

import numpy as np


class Arms(NamedTuple):
    """A chromosome's length, and its centromere's place from the end of the short arm, in million bases."""

    length_mb: float
    centromere_mb: float

    @property
    def short_arm(self) -> float:
        """The short arm's share of the length."""
        return self.centromere_mb / self.length_mb


class Band(NamedTuple):
    """A band that differs from the light ones around it: its ends, in million bases from the end of the short arm."""

    start: float
    end: float
    dye: float  # how much Giemsa it takes, 0 to 1


# Human assembly GRCh37 (Genome Reference Consortium, 2009), rounded.
IDEOGRAM = {
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

LIGHT = 0.2  # the dye of all that is no band here; 1 is the darkest
ACROCENTRIC = ("13", "14", "15", "21", "22")  # their short arms are a stalk with a satellite
_STALK, _SATELLITE = 0.16, 0.66  # dyes
_DYES = (0.36, 0.56, 0.76, 0.95)  # four grades of dark bands
# Million bases: at a resolution of some 400 bands a haploid set has one every 7.5.
_DARK = (2.0, 7.5)
_PALE = (1.5, 5.5)
# By class: first and last place of a block, in million bases from the centromere, and its dye.
_BLOCKS = {"1": (0.0, 16.0, 0.66), "9": (0.0, 15.0, 0.36), "16": (0.0, 8.0, 0.66), "Y": (16.0, 45.0, 0.66)}
_SEED = 24  # of the patterns


def _landmarks(label: str, arms: Arms) -> list[Band]:
    if label in ACROCENTRIC:
        short = arms.centromere_mb
        return [Band(0.0, 0.3 * short, _SATELLITE), Band(0.3 * short, 0.6 * short, _STALK)]
    if label in _BLOCKS:
        start, end, dye = _BLOCKS[label]
        return [Band(arms.centromere_mb + start, arms.centromere_mb + end, dye)]
    return []


def _draw_bands(number: int, label: str) -> tuple[Band, ...]:
    """Draw the bands of one class, from the end of the short arm to that of the long arm."""
    arms = IDEOGRAM[label]
    rng = np.random.default_rng([_SEED, number])
    landmarks = _landmarks(label, arms)
    bands = list(landmarks)
    place = max((band.end for band in landmarks if band.start < arms.centromere_mb), default=0.0)
    place += rng.uniform(*_PALE)
    while place < arms.length_mb - _DARK[0]:
        end = min(place + rng.uniform(*_DARK), arms.length_mb)
        band = Band(place, end, float(rng.choice(_DYES)))
        if all(band.end < mark.start or band.start > mark.end for mark in landmarks):
            bands.append(band)
        place = end + rng.uniform(*_PALE)
    return tuple(sorted(bands))


BANDS = {label: _draw_bands(number, label) for number, label in enumerate(IDEOGRAM)}
