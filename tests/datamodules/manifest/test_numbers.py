"""The numbers of a picture: of its content, whatever its ground."""

import cv2
import numpy as np
import pytest

from datamodules.io.decode import border
from datamodules.manifest.numbers import NUMBERS, picture_numbers

COLOUR = (90, 120, 200)


def numbers_of(pixels, size=1000):
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return dict(zip(NUMBERS, picture_numbers(pixels, gray, float(np.median(border(gray))), size), strict=True))


@pytest.mark.parametrize("ground", [(0, 0, 0), (255, 255, 255), (230, 210, 180)])
def test_area_side_and_colours_are_those_of_the_content(ground):
    picture = np.full((60, 80, 3), ground, np.uint8)
    picture[10:30, 20:50] = COLOUR
    picture[10:30, 20:35] -= 10
    numbers = numbers_of(picture)
    assert (numbers["area"], numbers["side"], numbers["bytes"]) == (600, 30, 1000)
    assert [numbers[f"mean_{name}"] for name in ("red", "green", "blue")] == pytest.approx([85, 115, 195])
    assert [numbers[f"std_{name}"] for name in ("red", "green", "blue")] == pytest.approx([5, 5, 5])


def test_a_picture_of_one_colour_is_content_altogether():
    numbers = numbers_of(np.full((6, 8, 3), 7, np.uint8))
    assert (numbers["area"], numbers["side"], numbers["mean_red"], numbers["std_red"]) == (48, 8, 7, 0)
