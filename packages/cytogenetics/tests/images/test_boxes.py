"""Boxes of a picture."""

import numpy as np
import pytest

from cytogenetics.images.boxes import overlaps


def test_overlaps_are_intersections_over_unions():
    boxes = np.array([[0, 0, 2, 2], [1, 0, 3, 2], [5, 5, 6, 6]], float)
    assert overlaps(boxes, boxes) == pytest.approx(np.array([[1, 1 / 3, 0], [1 / 3, 1, 0], [0, 0, 1]]))
