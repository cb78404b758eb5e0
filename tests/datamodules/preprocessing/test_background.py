"""The ground of an image becomes black, whatever it was."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules.io.decode import crop_to_content
from datamodules.preprocessing.background import _frame_lines, is_light, on_black
from tests.helpers.chromosomes import bar


def _chromosome():
    """A bar with blurred outline on black, as a camera shows it."""
    return cv2.GaussianBlur(bar(4, scale=2.0, lean=25.0), (0, 0), 1.5)


def _on_gray(level, slope=0.0, noise=0.0):
    """The same chromosome in light of a level (0 to 255) that rises by ``slope`` from corner to corner."""
    image = _chromosome()
    height, width = image.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width]
    light = level + slope / 2 * (rows / height + columns / width - 1)
    shown = (1 - image / 255) * light[..., None]
    shown += np.random.default_rng(0).normal(0, noise, (height, width, 1))
    return np.clip(np.rint(shown), 0, 255).astype(np.uint8)


@given(level=st.integers(90, 230), slope=st.integers(-40, 40))
def test_gray_ground_with_a_gradient_becomes_black(level, slope):
    image = on_black(_on_gray(level, slope))
    assert np.abs(image.astype(int) - _chromosome()).max() <= 12
    assert np.abs(image.astype(int) - _chromosome()).mean() <= 1.5


def test_noise_of_the_ground_stays_below_the_threshold_of_chromosomes():
    image = on_black(_on_gray(180, noise=4.0))
    ground = _chromosome() == 0
    assert (image[ground] > 20).mean() < 0.02
    assert np.corrcoef(image.ravel(), _chromosome().ravel())[0, 1] > 0.99


@pytest.mark.parametrize(("lean", "blur"), [(2.0, 0.0), (5.0, 1.0)])
def test_gray_ground_around_a_tight_cut_becomes_black(lean, blur):
    image = bar(4, scale=2.0, lean=lean)
    if blur:
        image = cv2.GaussianBlur(image, (0, 0), blur)
    cut = crop_to_content(image, 60)
    shown = np.rint((1 - cut / 255) * 200).astype(np.uint8)
    assert np.abs(on_black(shown).astype(int) - cut).mean() <= 0.5


@given(level=st.integers(30, 120))
def test_a_lighter_chromosome_on_gray_becomes_light_on_black(level):
    image = _chromosome()
    shown = np.rint(level + image.astype(float) * (255 - level) / 255).astype(np.uint8)
    assert not is_light(shown)
    assert np.abs(on_black(shown).astype(int) - image).max() <= 3


@pytest.mark.parametrize("frame", [0, 255])
@pytest.mark.parametrize("light", [True, False])
@pytest.mark.parametrize("sides", [(3, 3, 3, 3), (1, 1, 1, 1), (0, 4, 0, 3), (2, 0, 0, 0)])
def test_a_frame_takes_the_colour_of_the_ground(frame, light, sides):
    image = _chromosome()
    shown = 255 - image if light else image
    framed = cv2.copyMakeBorder(shown, *sides, cv2.BORDER_CONSTANT, value=[frame] * 3)
    top, bottom, left, right = sides
    height, width = image.shape[:2]
    black = on_black(framed)
    assert np.array_equal(black[top : top + height, left : left + width], image)
    assert black.sum() == image.sum()


@pytest.mark.parametrize(("difference", "lines"), [(8, 3), (9, 0)])
def test_lines_are_a_frame_up_to_a_small_difference(difference, lines):
    gray = np.full((40, 30), 200, np.uint8)
    gray[:3] = 0
    gray[0, 5] = difference
    assert _frame_lines(gray) == lines


def test_a_black_or_white_ground_is_left_as_it_is():
    image = bar(1)
    assert on_black(image) is image
    assert np.array_equal(on_black(255 - image), image)


def test_a_photograph_has_no_ground_to_subtract():
    noise = np.random.default_rng(3).integers(40, 250, (12, 10, 3), dtype=np.uint8)
    photograph = cv2.resize(noise, (80, 100), interpolation=cv2.INTER_CUBIC)
    black = on_black(photograph)
    assert np.array_equal(black, photograph) or np.array_equal(black, 255 - photograph)
    noisy = _on_gray(180, noise=10.5)
    black = on_black(noisy)
    assert np.array_equal(black, noisy) or np.array_equal(black, 255 - noisy)
