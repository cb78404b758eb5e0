"""The measure of heat maps: maps that follow the disc are told from others."""

import numpy as np
import pytest

from benchmarks.inputs.heat_maps import PLACES, correlation, discs


def test_a_map_of_the_disc_follows_it():
    images = discs(64)
    assert correlation((images[1:] > 200).all(axis=3).astype(float)) == pytest.approx(1)
    assert (images[0] < 200).all()


@pytest.mark.parametrize("seed", range(3))
def test_maps_that_do_not_move_or_move_otherwise_do_not(seed):
    rng = np.random.default_rng(seed)
    maps = np.zeros((len(PLACES), 8, 8))
    maps[np.arange(len(PLACES)), rng.permutation(8)[0], rng.integers(0, 8, len(PLACES))] = 1
    assert not correlation(maps) > 0.8


def test_a_map_of_zeros_has_no_correlation():
    maps = np.ones((len(PLACES), 8, 8))
    maps[3] = 0
    assert np.isnan(correlation(maps))
