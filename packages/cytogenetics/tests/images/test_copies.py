"""Pictures of one chromosome are told from those of others, however they are turned, scaled and cut."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from cytogenetics.images.cell_images import CellFile, FileStatus
from cytogenetics.images.copies import ALIKE, _look, likeness
from datamodules.inference.image_files import ImageFile
from karyocyte.config.data import PrepareConfig

BANDS = {"first": [200, 60, 190, 190, 70, 220], "second": [90, 220, 60, 120, 210, 80]}


def chromosome(bands, angle=0.0, scale=1.0, shorter=0):
    """Return a bent chromosome of some bands, gray on black, uint8 RGB, (160, 160, 3)."""
    upright = np.zeros((160, 160), np.uint8)
    for number, value in enumerate(bands):
        top = 50 + 10 * number
        upright[top : top + 10 - shorter * (number == 5), 70 + shorter : 88 - shorter + 2 * number] = value
    matrix = cv2.getRotationMatrix2D((80.0, 80.0), angle, scale)
    return np.repeat(cv2.warpAffine(upright, matrix, (160, 160))[..., None], 3, axis=2)


def alike(*pictures):
    files = [CellFile(ImageFile(Path("a"), "a", ()), FileStatus.USED, pixels=pixels) for pixels in pictures]
    return likeness(files, PrepareConfig(background="black", crop_threshold=20))


@pytest.mark.parametrize("change", [{"angle": 37.0}, {"angle": 180.0, "scale": 1.3}, {"angle": 250.0, "shorter": 1}])
def test_a_copy_is_found_in_any_orientation_and_scale(change):
    first = chromosome(BANDS["first"])
    copy = chromosome(BANDS["first"], **change)
    assert alike(first, copy)[0, 1] > ALIKE
    assert alike(first, copy[:, ::-1].copy())[0, 1] > ALIKE


def test_a_look_shows_little_beside_the_chromosome():
    picture = cv2.cvtColor(chromosome(BANDS["first"], angle=37.0), cv2.COLOR_RGB2GRAY).astype(np.float32)
    look = _look(picture, 0)
    shown = look > look.min() + 1e-3
    assert shown.any(axis=1).mean() > 0.6
    assert shown.any(axis=0).mean() > 0.6


def test_another_chromosome_is_no_copy():
    found = alike(chromosome(BANDS["first"]), chromosome(BANDS["second"], angle=37.0))
    assert found[0, 1] == found[1, 0] < ALIKE
    assert found.diagonal().tolist() == [0, 0]
