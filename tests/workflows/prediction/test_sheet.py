"""The contact sheet of new images."""

import numpy as np

from workflows.prediction.sheet import at_one_scale


def test_small_pictures_are_shown_at_one_scale():
    """The size of a chromosome is the main sign of its class."""
    large = np.full((60, 30, 3), 200, np.uint8)
    small = np.full((20, 10, 3), 230, np.uint8)
    small[8:12, 4:6] = 20
    first, second = at_one_scale([large, small])
    assert np.array_equal(first, large)
    assert second.shape == large.shape
    assert np.array_equal(second[20:40, 10:20], small)
    assert (second[0] == 230).all()
