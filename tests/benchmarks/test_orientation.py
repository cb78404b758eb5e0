"""The views of the benchmark of orientation."""

import cv2
import numpy as np
import pandas as pd
import pytest

from benchmarks.orientation import VIEWS, turned, write_view
from common.errors import UserError

GROUND = 255


@pytest.fixture
def data(tmp_path):
    """A folder with one image: a dark bar with a darker end, on white."""
    image = np.full((30, 12), GROUND, np.uint8)
    image[4:26, 4:8] = 120
    image[4:9, 4:8] = 20
    (tmp_path / "01").mkdir()
    cv2.imwrite(str(tmp_path / "01" / "a.png"), image)
    return tmp_path


@pytest.mark.parametrize("degrees", [0, 33, 90, 250])
def test_a_turned_image_holds_all_of_the_chromosome(data, degrees):
    image = cv2.imread(str(data / "01" / "a.png"), cv2.IMREAD_GRAYSCALE)
    view = turned(image, degrees)
    darkness = (GROUND - image.astype(float)).sum()
    assert (GROUND - view.astype(float)).sum() == pytest.approx(darkness, rel=0.05)
    border = np.concatenate([view[0], view[-1], view[:, 0], view[:, -1]])
    assert (border == GROUND).all()


def test_each_view_has_the_same_labels_and_other_pixels(data, tmp_path):
    rows = pd.DataFrame({"path": ["01/a.png"], "class": ["1"]})
    original = cv2.imread(str(data / "01" / "a.png"), cv2.IMREAD_GRAYSCALE)
    written = {}
    for view in VIEWS:
        folder = tmp_path / view
        write_view(view, rows, data, folder)
        pd.testing.assert_frame_equal(pd.read_csv(folder / "labels.csv", dtype=str), rows)
        written[view] = cv2.imread(str(folder / "01" / "a.png"), cv2.IMREAD_GRAYSCALE)
    assert (written["as they are"] == original).all()
    assert (written["upside down"] == original[::-1, ::-1]).all()
    assert (written["mirrored"] == original[:, ::-1]).all()
    assert written["turned by any angle"].shape != original.shape


def test_an_image_that_is_not_there_is_named(data, tmp_path):
    rows = pd.DataFrame({"path": ["02/b.png"], "class": ["2"]})
    with pytest.raises(UserError, match="02/b.png cannot be read"):
        write_view("mirrored", rows, data, tmp_path / "out")
