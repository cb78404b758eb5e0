"""Chromosomes in the resolution of their files."""

import cv2
import numpy as np
import pytest

from cytogenetics.images.upright import strip_of, upright
from tests.helpers.chromosomes import bar


def band(picture):
    """Whether the light band of a chromosome, bright on black, is in its upper or its lower half."""
    rows = picture[:, picture.shape[1] // 2].astype(int)
    inside = np.flatnonzero(rows > 55)
    return "above" if inside[rows[inside].argmin()] < inside.mean() else "below"


@pytest.fixture
def banded():
    """A chromosome, dark on white, with a light band in its upper half."""
    picture = np.full((50, 40, 3), 255, np.uint8)
    picture[5:45, 15:23] = 60
    picture[9:13, 15:23] = 150
    return picture


@pytest.mark.parametrize(("turns", "upside_down", "where"), [(0, False, "above"), (0, True, "below"), (1, None, None)])
def test_a_chromosome_is_upright_in_the_resolution_of_its_file(banded, turns, upside_down, where):
    picture = upright(np.rot90(banded, turns), bool(upside_down))
    assert list(picture.shape) == pytest.approx([42, 10], abs=2)
    assert where is None or band(picture) == where


def test_each_chromosome_is_in_the_middle_of_its_picture_at_one_scale():
    strip = strip_of([upright(bar(number)) for number in (1, 9, 21)])
    boxes = [cv2.boundingRect(image) for image in np.split(strip, 3, axis=1)]
    assert boxes[0][3] > boxes[1][3] > boxes[2][3]
    for left, top, width, height in boxes:
        assert [2 * left + width, 2 * top + height] == pytest.approx([strip.shape[1] / 3, len(strip)], abs=2)
