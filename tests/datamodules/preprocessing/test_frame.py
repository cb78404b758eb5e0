"""The sides of the content of images, and the frame that nearly all of them fit in."""

import numpy as np
import pytest

from datamodules.preprocessing import frame
from datamodules.preprocessing.frame import content_sides, frame_of
from karyocyte.common.errors import UserError
from karyocyte.config.data import PrepareConfig
from tests.helpers.images import scan_folder, write_image

CONFIG = PrepareConfig(size=24, fit="frame")
SIDES = [10, 17, 30, 24]


@pytest.fixture
def manifest(tmp_path):
    """Images of 40 pixels with a content of so many, as high as wide or half as high, and a dim speck in a corner."""
    for number, side in enumerate(SIDES):
        image = np.zeros((40, 40, 3), np.uint8)
        image[5 : 5 + side // (1 + number % 2), 5 : 5 + side] = 200
        image[0, 0] = 9
        write_image(tmp_path / "data" / "ab"[number % 2] / f"{number}.png", image)
    return scan_folder(tmp_path / "data", tmp_path / "cache")


def sides_of(manifest, tmp_path, **settings):
    sides = content_sides(manifest, CONFIG.model_copy(update=settings), tmp_path / "cache", progress=False)
    names = manifest.frame["path"].str.extract(r"(\d)\.png")[0].astype(int)
    return sides[np.argsort(names)].tolist()


def test_the_content_is_what_the_crop_leaves(manifest, tmp_path):
    assert sides_of(manifest, tmp_path, crop_threshold=9) == SIDES
    assert sides_of(manifest, tmp_path) == [side + 5 for side in SIDES]
    assert sides_of(manifest, tmp_path, crop=False) == [40] * 4
    assert sides_of(manifest, tmp_path, crop_threshold=9, clahe=True) == SIDES


def test_the_sides_are_measured_once_for_all_sizes_and_frames(manifest, tmp_path, monkeypatch):
    expected = sides_of(manifest, tmp_path)
    monkeypatch.setattr(frame, "read_unchanged", lambda *_: pytest.fail("an image is read again"))
    assert sides_of(manifest, tmp_path, size=32, frame=99) == expected


def test_a_file_that_changed_since_the_scan_stops(manifest, tmp_path):
    write_image(manifest.file(2), np.full((40, 40, 3), 7, np.uint8))
    with pytest.raises(UserError, match="changed while"):
        sides_of(manifest, tmp_path)
    assert not list((tmp_path / "cache" / "content_sides").glob("*/"))


def test_the_frame_is_the_99th_percentile_rounded_up():
    assert frame_of(np.arange(1, 201)) == 199  # 198.01
    assert frame_of(np.array([30, 30, 30])) == 30
