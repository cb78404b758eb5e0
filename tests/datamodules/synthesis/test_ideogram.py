"""Lengths, centromeres and bands of human chromosomes."""

import numpy as np

from common.karyotype import CHROMOSOMES
from datamodules.synthesis.ideogram import BANDS, IDEOGRAM


def test_each_chromosome_has_two_arms_the_short_one_first():
    assert tuple(IDEOGRAM) == CHROMOSOMES
    # The centromere of chromosome 1 is in its middle: a little beyond, by this assembly.
    assert all(0.1 < arms.short_arm < 0.51 for arms in IDEOGRAM.values())


def test_bands_lie_within_their_chromosome_in_order():
    assert tuple(BANDS) == CHROMOSOMES
    for label, bands in BANDS.items():
        ends = [end for band in bands for end in (band.start, band.end)]
        assert ends == sorted(ends)
        assert ends[-1] <= IDEOGRAM[label].length_mb + 0.05
        assert all(0.0 < band.dye <= 1.0 for band in bands)
    # The more there is of a chromosome, the more bands (Y is one block).
    counts = [len(bands) for bands in BANDS.values()]
    lengths = [arms.length_mb for arms in IDEOGRAM.values()]
    assert np.corrcoef(counts, lengths)[0, 1] > 0.85
