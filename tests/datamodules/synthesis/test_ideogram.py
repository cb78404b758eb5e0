"""Lengths and centromeres of human chromosomes."""

import pytest

from common.karyotype import AUTOSOMES, CHROMOSOMES
from datamodules.synthesis.ideogram import IDEOGRAM


def test_each_chromosome_has_two_arms_the_short_one_first():
    assert tuple(IDEOGRAM) == CHROMOSOMES
    # The centromere of chromosome 1 is in its middle: a little beyond, by this assembly.
    assert all(0.1 < arms.short_arm < 0.51 for arms in IDEOGRAM.values())


def test_autosomes_are_numbered_by_length_but_for_two_pairs_of_the_smallest():
    lengths = [IDEOGRAM[name].length_mb for name in AUTOSOMES]
    assert [AUTOSOMES[place] for place in range(21) if lengths[place] < lengths[place + 1]] == ["19", "21"]


@pytest.mark.parametrize(("name", "share"), [("1", 0.50), ("5", 0.27), ("13", 0.16), ("X", 0.39)])
def test_the_short_arms_share(name, share):
    assert IDEOGRAM[name].short_arm == pytest.approx(share, abs=0.005)
