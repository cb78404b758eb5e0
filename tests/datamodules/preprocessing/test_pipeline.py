"""Crop, CLAHE, pad, resize: in this order."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules.preprocessing.pipeline import pad_to_square, prepare_image, to_shape
from karyocyte.config.data import PrepareConfig


def field(height=50, width=80, top=10, left=20, h=20, w=30):
    image = np.zeros((height, width, 3), np.uint8)
    image[top : top + h, left : left + w] = np.random.default_rng(0).integers(30, 255, (h, w, 3), dtype=np.uint8)
    return image


@pytest.mark.parametrize(("shape", "top", "left"), [((4, 7), 1, 0), ((7, 4), 0, 1), ((5, 5), 0, 0)])
def test_padding_is_black_and_centred(shape, top, left):
    image = np.full((*shape, 3), 9, np.uint8)
    square = pad_to_square(image)
    side = max(shape)
    wanted = np.zeros((side, side, 3), np.uint8)
    wanted[top : top + shape[0], left : left + shape[1]] = 9
    assert np.array_equal(square, wanted)


def test_padding_of_any_ground_has_the_colour_of_the_border():
    """A black frame around a photograph is a mark that the network sees."""
    image = np.full((6, 10, 3), (240, 220, 200), np.uint8)
    image[2:4, 4:6] = (90, 20, 120)
    config = PrepareConfig(size=10, background="border")
    assert (prepare_image(image, config)[[0, -1]] == (240, 220, 200)).all()
    assert (prepare_image(image, PrepareConfig(size=10))[[0, -1]] == 0).all()
    image[:, 0] = 0  # a dark edge is not mixed into the colour
    assert (prepare_image(image, config)[[0, -1]] == (240, 220, 200)).all()
    cell = field(h=20, w=40)
    of_cell = [prepare_image(cell, PrepareConfig(size=40, background=ground)) for ground in ("black", "border")]
    assert np.array_equal(*of_cell)


def test_clahe_comes_after_the_crop_and_before_the_padding():
    """CLAHE lifts black: the crop must not see it, and the padding must stay black."""
    image = field(h=20, w=40)
    image[18:20, 20:60] = 0  # a black band within the cell
    config = PrepareConfig(size=40, clahe=True, clahe_clip_limit=3.5, clahe_tiles=2)
    prepared = prepare_image(image, config)
    assert (prepared[:10] == 0).all()
    assert (prepared[30:] == 0).all()
    yuv = cv2.cvtColor(np.ascontiguousarray(image[10:30, 20:60]), cv2.COLOR_RGB2YUV)
    yuv[..., 0] = cv2.createCLAHE(3.5, (2, 2)).apply(yuv[..., 0])
    assert np.array_equal(prepared[10:30], cv2.cvtColor(yuv, cv2.COLOR_YUV2RGB))
    assert prepared[18:20].max() > 0  # the band was lifted, so CLAHE was really there


@pytest.mark.parametrize(
    ("size", "method"),
    [
        ((20, 45), cv2.INTER_AREA),
        ((60, 90), cv2.INTER_LINEAR),  # nothing to do
        ((90, 120), cv2.INTER_LINEAR),  # smooth where it enlarges
    ],
)
def test_images_are_resized_by_opencv(size, method):
    image = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    config = PrepareConfig(size=size, fit="stretch", crop=False)
    assert np.array_equal(prepare_image(image, config), cv2.resize(image, size[::-1], interpolation=method))


def test_of_a_side_that_shrinks_and_one_that_grows_the_first_is_averaged():
    stripes = np.zeros((16, 16, 3), np.uint8)
    stripes[::2] = 200
    wide = prepare_image(stripes, PrepareConfig(size=(8, 32), fit="stretch", crop=False))
    assert wide.shape == (8, 32, 3)
    assert (wide == 100).all()


def test_images_are_stored_where_they_are_augmented_and_become_the_size_after_that():
    image = field(height=64, width=100, top=0, left=0, h=64, w=100)
    config = PrepareConfig(size=16, augment_at=48, fit="stretch", crop=False)
    stored = prepare_image(image, config)
    assert stored.shape == (48, 48, 3)
    assert np.array_equal(stored, prepare_image(image, PrepareConfig(size=48, fit="stretch", crop=False)))
    assert np.array_equal(to_shape(stored, config), cv2.resize(stored, (16, 16), interpolation=cv2.INTER_AREA))
    plain = PrepareConfig(size=16)
    assert to_shape(prepare_image(image, plain), plain).shape == (16, 16, 3)


@given(st.integers(1, 60), st.integers(1, 60), st.booleans(), st.integers(8, 40), st.integers(0, 254))
def test_any_image_ends_at_the_size(height, width, clahe, size, threshold):
    image = np.random.default_rng(height * width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    known = image.copy()
    prepared = prepare_image(image, PrepareConfig(size=size, clahe=clahe, crop_threshold=threshold))
    assert prepared.shape == (size, size, 3)
    assert prepared.dtype == np.uint8
    assert np.array_equal(image, known)
