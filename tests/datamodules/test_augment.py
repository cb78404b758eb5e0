"""Augmentation is a pure function of (seed, epoch, image, copy)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.schema import TransformConfig
from datamodules.augment import Augmentation

TURNED = {"flips": True, "rotations": True, "probability": 1.0}
EVERY = TransformConfig(**TURNED)
PAPER = TransformConfig(**TURNED, apply_to="copies", each_epoch=False)
IMAGE = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
TURNS = [np.rot90(IMAGE, k) for k in (1, 2, 3)] + [IMAGE[:, ::-1], IMAGE[::-1]]


def which(image: np.ndarray) -> int:
    """The index in TURNS, -1 for the untouched image."""
    if np.array_equal(image, IMAGE):
        return -1
    return next(index for index, turn in enumerate(TURNS) if np.array_equal(image, turn))


@given(seed=st.integers(0, 2**31), epoch=st.integers(0, 1000), row=st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_it_is_a_pure_function_of_its_key(seed, epoch, row):
    one, other = Augmentation(EVERY, seed), Augmentation(EVERY, seed)
    other(IMAGE, epoch + 1, row + 7, 0)  # what was drawn before does not matter
    assert np.array_equal(one(IMAGE, epoch, row, 0), other(IMAGE, epoch, row, 0))


@pytest.mark.parametrize("varied", ["epoch", "row", "seed", "copy"])
def test_every_part_of_the_key_matters(varied):
    drawn = []
    for value in range(1, 40):
        key = {"seed": 0, "epoch": 0, "row": 0, "copy": 1, varied: value}
        drawn.append(which(Augmentation(EVERY, key["seed"])(IMAGE, key["epoch"], key["row"], key["copy"])))
    assert len(set(drawn)) > 3


def test_the_five_turns_of_the_paper_are_equally_likely_and_nothing_else_happens():
    augmentation = Augmentation(EVERY, 0)
    counts = np.bincount([which(augmentation(IMAGE, 0, row, 0)) for row in range(1500)], minlength=5)
    assert len(counts) == 5
    assert np.all(np.abs(counts - 300) < 5 * np.sqrt(300 * 0.8))


def test_probability_leaves_that_share_of_the_originals_untouched():
    augmentation = Augmentation(TransformConfig(**{**TURNED, "probability": 0.5}), 0)
    untouched = sum(which(augmentation(IMAGE, 0, row, 0)) == -1 for row in range(1000))
    assert 420 < untouched < 580


def test_the_papers_plan_turns_copies_alone_and_once_and_for_all():
    augmentation = Augmentation(PAPER, 0)
    assert all(which(augmentation(IMAGE, epoch, row, 0)) == -1 for epoch in range(3) for row in range(20))
    for row in range(20):
        turned = {which(augmentation(IMAGE, epoch, row, 1)) for epoch in range(5)}
        assert len(turned) == 1
        assert -1 not in turned


def test_switched_off_nothing_happens_to_originals_or_copies():
    augmentation = Augmentation(TransformConfig(probability=1.0), 0)
    assert which(augmentation(IMAGE, 0, 0, 0)) == -1
    assert which(augmentation(IMAGE, 0, 0, 1)) == -1
