"""Turns: what a seed draws is that of albumentations' ``OneOf``, so that results of earlier runs can be repeated."""

import albumentations as A
import numpy as np
import pytest

from datamodules.transforms.turns import RandomTurn

IMAGE = np.random.default_rng(0).integers(0, 256, (12, 12, 3), np.uint8)


class QuarterTurns(A.ImageOnlyTransform):
    """By 90, 180 or 270 degrees."""

    def get_params(self):
        return {"turns": self.py_random.randint(1, 3)}

    def apply(self, img, turns, **params):
        return np.ascontiguousarray(np.rot90(img, turns))


def reference(flips, rotations, probability):
    turns = [A.HorizontalFlip(p=0.2), A.VerticalFlip(p=0.2)] if flips else []
    turns += [QuarterTurns(p=0.6)] if rotations else []
    return A.Compose([A.OneOf(turns, p=probability)])


@pytest.mark.parametrize(("flips", "rotations"), [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("probability", [0.5, 1.0])
def test_a_seed_draws_what_albumentations_draws(flips, rotations, probability):
    turn = RandomTurn(flips, rotations, probability)
    expected = reference(flips, rotations, probability)
    for seed in range(60):
        expected.set_random_seed(seed)
        assert np.array_equal(turn(IMAGE, seed), expected(image=IMAGE)["image"]), seed
