"""Augmentation is a pure function of (seed, epoch, image, copy)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.config.schema import TransformConfig
from datamodules.transforms.augmentation import Augmentation

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


MOVED = TransformConfig(mirror=True, rotate=12, stretch=0.12, shift=0.05, contrast=0.3, gamma=0.25, bend=0.2)


@given(seed=st.integers(0, 2**31), epoch=st.integers(0, 1000), row=st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_movements_are_a_pure_function_of_their_key_and_keep_the_size(seed, epoch, row):
    one, other = Augmentation(MOVED, seed), Augmentation(MOVED, seed)
    other(BAR, epoch + 1, row + 7, 0)
    moved = one(BAR, epoch, row, 0)
    assert moved.shape == BAR.shape
    assert moved.dtype == np.uint8
    assert np.array_equal(moved, other(BAR, epoch, row, 0))


BAR = np.zeros((64, 32, 3), np.uint8)
BAR[12:52, 12:20] = 120
BAR[12:20, 12:20] = 200


@pytest.mark.parametrize("key", ["mirror", "rotate", "stretch", "shift", "contrast", "gamma", "bend"])
def test_each_movement_alone_changes_some_image_and_leaves_black_black(key):
    value = {"mirror": True, "rotate": 20}.get(key, 0.3)
    augmentation = Augmentation(TransformConfig(**{key: value}), 0)
    wide = BAR.copy()
    wide[20:24, 12:26] = 90  # not the same left and right
    drawn = [augmentation(wide, 0, row, 0) for row in range(12)]
    assert any(not np.array_equal(image, wide) for image in drawn)
    assert all(image[0, 0].max() == 0 for image in drawn)


def test_movements_never_turn_it_upside_down():
    """The short arm stays up: of what is drawn, the upper half stays the brighter one."""
    augmentation = Augmentation(MOVED, 3)
    for row in range(60):
        image = augmentation(BAR, 0, row, 0).astype(float)
        light = image[..., 0].max(axis=1)
        light = light[light > 0]
        assert light[: len(light) // 2].mean() > light[len(light) // 2 :].mean()


def test_contrast_multiplies_within_its_range():
    augmentation = Augmentation(TransformConfig(contrast=0.3), 0)
    factors = [augmentation(BAR, 0, row, 0)[30, 15, 0] / 120 for row in range(200)]
    assert 0.69 < min(factors) < 0.75
    assert 1.25 < max(factors) < 1.31


LIGHT = TransformConfig(brightness=0.25, noise=0.05, blur=1.0)
GRAY = np.full((64, 48, 3), 120, np.uint8)


@given(seed=st.integers(0, 2**31), epoch=st.integers(0, 1000), row=st.integers(0, 10**6), copy=st.integers(0, 9))
@settings(max_examples=20, deadline=None)
def test_light_blur_and_noise_are_a_pure_function_of_their_key(seed, epoch, row, copy):
    one, other = Augmentation(LIGHT, seed), Augmentation(LIGHT, seed)
    other(BAR, epoch + 1, row, copy)
    changed = one(BAR, epoch, row, copy)
    assert changed.dtype == np.uint8
    assert changed.shape == BAR.shape
    assert np.array_equal(changed, other(BAR, epoch, row, copy))


def test_brightness_multiplies_within_its_range():
    augmentation = Augmentation(TransformConfig(brightness=0.25), 0)
    factors = [augmentation(GRAY, 0, row, 0)[0, 0, 0] / 120 for row in range(200)]
    assert 0.74 < min(factors) < 0.78
    assert 1.22 < max(factors) < 1.26


def test_noise_is_salt_and_pepper_on_up_to_its_share():
    augmentation = Augmentation(TransformConfig(noise=0.05), 0)
    shares = []
    for row in range(100):
        image = augmentation(GRAY, 0, row, 0)
        specks = (image != 120).any(axis=2)
        assert set(np.unique(image[specks])) <= {0, 255}
        shares.append(specks.mean())
    assert min(shares) < 0.005
    assert 0.045 < max(shares) <= 0.05


def test_blur_softens_an_edge_up_to_its_width():
    edge = np.zeros((32, 32, 3), np.uint8)
    edge[:, 16:] = 200
    augmentation = Augmentation(TransformConfig(blur=1.0), 0)
    soft = [
        int(((image[16, :, 0] > 0) & (image[16, :, 0] < 200)).sum())
        for image in (augmentation(edge, 0, row, 0) for row in range(60))
    ]
    assert min(soft) == 0  # hardly any blur
    assert 4 <= max(soft) <= 6  # of a kernel of 7 pixels
    assert (augmentation(GRAY, 0, 0, 0) == 120).all()


def test_specks_are_not_blurred():
    augmentation = Augmentation(TransformConfig(blur=3.0, noise=0.05), 0)
    for row in range(20):
        assert set(np.unique(augmentation(GRAY, 0, row, 0))) <= {0, 120, 255}


def test_for_copies_alone_the_originals_are_not_moved():
    augmentation = Augmentation(MOVED.model_copy(update={"apply_to": "copies"}), 0)
    assert all(np.array_equal(augmentation(BAR, 0, row, 0), BAR) for row in range(10))
    assert any(not np.array_equal(augmentation(BAR, 0, row, 1), BAR) for row in range(10))
