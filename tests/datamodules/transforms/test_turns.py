"""Turns: what a seed draws stays what it was, so that results of earlier runs can be repeated."""

import numpy as np
import pytest

from datamodules.transforms.turns import RandomTurn

IMAGE = np.random.default_rng(0).integers(0, 256, (12, 12, 3), np.uint8)
TURNED = [IMAGE, IMAGE[:, ::-1], IMAGE[::-1], *(np.rot90(IMAGE, number) for number in (1, 2, 3))]


@pytest.mark.parametrize(
    ("flips", "rotations", "probability", "drawn"),  # which of TURNED the seeds 0, 1, 2, ... draw
    [
        (True, True, 0.5, "030130042401243040200300010030031000100344031404024300030303"),
        (True, True, 1.0, "432135542451243345252324215531231512155344531434224341235323"),
        (True, False, 0.5, "020120021201122020100200010020021000100222021202012200020202"),
        (False, True, 1.0, "433335543454443345355334545535533555455344534434534345335353"),
    ],
)
def test_a_seed_draws_what_it_always_drew(flips, rotations, probability, drawn):
    """As ``albumentations.OneOf`` of two flips of weight 0.2 and a random quarter turn of weight 0.6 does."""
    turn = RandomTurn(flips, rotations, probability)
    for seed, number in enumerate(map(int, drawn)):
        assert np.array_equal(turn(IMAGE, seed), TURNED[number]), seed
