"""Augmentation is a pure function of (seed, epoch, image, copy)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules.transforms.augmentation import Augmentation
from karyocyte.config.data import TransformConfig

TURNED = TransformConfig(flips=True, rotations=True, probability=1.0)
MOVED = TransformConfig(mirror=True, rotate=12, stretch=0.12, shift=0.05, brightness=0.3, gamma=0.25)
LIGHT = TransformConfig(brightness=0.25, noise=0.05, blur=1.0)

IMAGE = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
TURNS = [np.rot90(IMAGE, k) for k in (1, 2, 3)] + [IMAGE[:, ::-1], IMAGE[::-1]]
BAR = np.zeros((64, 32, 3), np.uint8)
BAR[12:52, 12:20] = 120
BAR[12:20, 12:20] = 200
GRAY = np.full((64, 48, 3), 120, np.uint8)


def which(image: np.ndarray) -> int:
    """The index in TURNS, -1 for the untouched image."""
    if np.array_equal(image, IMAGE):
        return -1
    return next(index for index, turn in enumerate(TURNS) if np.array_equal(image, turn))


def changed(image: np.ndarray, count: int, **strengths: float) -> list[np.ndarray]:
    augmentation = Augmentation(TransformConfig(**strengths), 0)
    return [augmentation(image, 0, row, 0) for row in range(count)]


@pytest.mark.parametrize(("config", "image"), [(TURNED, IMAGE), (MOVED, BAR), (LIGHT, BAR)])
@given(seed=st.integers(0, 2**31), epoch=st.integers(0, 1000), row=st.integers(0, 30), copy=st.integers(0, 9))
def test_it_is_a_pure_function_of_its_key(config, image, seed, epoch, row, copy):
    one, other = Augmentation(config, seed), Augmentation(config, seed)
    other(image, epoch + 1, row + 7, copy)  # what was drawn before does not matter
    result = one(image, epoch, row, copy)
    assert (result.shape, result.dtype) == (image.shape, np.uint8)
    assert np.array_equal(result, other(image, epoch, row, copy))


@pytest.mark.parametrize("varied", ["epoch", "row", "seed", "copy"])
def test_every_part_of_the_key_matters(varied):
    drawn = set()
    for value in range(1, 20):
        key = {"seed": 0, "epoch": 0, "row": 0, "copy": 1, varied: value}
        augmentation = Augmentation(TURNED, key["seed"])
        drawn.add(augmentation(IMAGE, key["epoch"], key["row"], key["copy"]).tobytes())
    assert len(drawn) > 3


def test_the_five_turns_of_the_paper_are_equally_likely_and_the_other_originals_untouched():
    images = changed(IMAGE, 1800, flips=True, rotations=True, probability=0.5)
    counts = np.bincount([which(image) + 1 for image in images], minlength=6)
    assert np.all(np.abs(counts - [900, *[180] * 5]) < 5 * np.sqrt(180))


def test_the_papers_plan_turns_copies_alone_and_in_every_epoch_alike():
    plan = {"apply_to": "copies", "each_epoch": False, "probability": 0.1}  # the probability is that of originals
    augmentation = Augmentation(TURNED.model_copy(update=plan), 0)
    assert all(which(augmentation(IMAGE, epoch, row, 0)) == -1 for epoch in range(3) for row in range(20))
    for row in range(20):
        turned = {which(augmentation(IMAGE, epoch, row, 1)) for epoch in range(5)}
        assert len(turned) == 1
        assert -1 not in turned


@pytest.mark.parametrize("key", ["mirror", "rotate", "stretch", "shift", "brightness", "gamma"])
def test_each_movement_alone_changes_some_image_and_leaves_black_black(key):
    wide = BAR.copy()
    wide[20:24, 12:26] = 90  # not the same left and right
    images = changed(wide, 12, **{key: {"mirror": True, "rotate": 20}.get(key, 0.3)})
    assert any(not np.array_equal(image, wide) for image in images)
    assert all(image[0, 0].max() == 0 for image in images)


def test_light_is_multiplied_within_its_range():
    factors = [image[0, 0, 0] / 120 for image in changed(GRAY, 200, brightness=0.3)]
    assert min(factors) == pytest.approx(0.7, abs=0.05)
    assert max(factors) == pytest.approx(1.3, abs=0.05)


def test_noise_is_salt_and_pepper_on_up_to_its_share_and_not_blurred():
    shares = []
    for image in changed(GRAY, 100, noise=0.05, blur=3.0):
        specks = (image != 120).any(axis=2)
        assert set(np.unique(image[specks])) <= {0, 255}
        shares.append(specks.mean())
    assert min(shares) < 0.005
    assert 0.045 < max(shares) <= 0.05


def test_blur_softens_an_edge_up_to_its_width():
    edge = np.zeros((32, 32, 3), np.uint8)
    edge[:, 16:] = 200
    rows = [image[16, :, 0] for image in changed(edge, 60, blur=1.0)]
    soft = [int(((row > 0) & (row < 200)).sum()) for row in rows]
    assert min(soft) == 0  # hardly any blur
    assert 4 <= max(soft) <= 6  # of a kernel of 7 pixels


def test_operations_are_drawn_independently_of_each_other():
    """Seeded alike, whether an image is mirrored would tell its gamma."""
    half = np.zeros((8, 8, 3), np.uint8)
    half[:, :4] = 120
    images = changed(half, 300, mirror=True, gamma=0.25)
    mirrored = np.array([image[0, -1, 0] > 0 for image in images])
    light = np.array([image.max() for image in images])
    assert 100 < mirrored.sum() < 200
    assert abs(light[mirrored].mean() - light[~mirrored].mean()) < 5 * light.std() * np.sqrt(2 / 150)
    assert light[mirrored].std() > light.std() / 2
