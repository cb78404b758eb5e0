"""Images that a scan reads are prepared at once, with the same result, and each file is read once."""

import cv2
import numpy as np
import pytest

from common.config.data import CanvasConfig, PrepareConfig
from common.errors import UserError
from datamodules.manifest import scan as scanning
from datamodules.manifest.manifest import Manifest, listed
from datamodules.manifest.scan import scan_listing
from datamodules.preprocessing import ahead, cache
from datamodules.preprocessing.ahead import PreparedAhead
from datamodules.preprocessing.cache import prepared_folder, prepared_images
from tests.helpers.images import break_image, cell_image, write_image

SQUARE = PrepareConfig(size=24, background="border")
BY_CELL = PrepareConfig(
    size=(60, 40), fit="canvas", canvas=CanvasConfig(scale_by="cell", unknown_cell="width", oversize="shrink")
)
CELLS = ["k", "k", "m", None, "m", "k", "k", None]


@pytest.fixture
def listing(tmp_path):
    rows = []
    for number, cell in enumerate(CELLS):
        path = write_image(tmp_path / "data" / f"{number}.png", cell_image(number, 24 + 2 * number))
        rows.append({"image_id": path.name, "path": path.name, "label": "ab"[number % 2], "cell": cell})
    return Manifest(listed(rows), tmp_path / "data", ("a", "b"), "b", "folder")


@pytest.fixture
def reads(monkeypatch):
    """Count the files that are read."""
    opened = []

    def counted(real):
        return lambda path: (opened.append(path.name), real(path))[1]

    for module in (scanning, cache):
        monkeypatch.setattr(module, "read_plain_file", counted(module.read_plain_file))
    return opened


def at_once(listing, config, place, on_broken="stop"):
    """Scan and prepare in one pass."""
    waiting = PreparedAhead(config, prepared_folder(place))
    manifest = scan_listing(listing, on_broken, place, False, waiting)
    return manifest, prepared_images(manifest, config, place, False, waiting)


def one_after_the_other(listing, config, place, on_broken="stop"):
    manifest = scan_listing(listing, on_broken, place, False)
    return manifest, prepared_images(manifest, config, place, False)


def same(one, other):
    return one[0].frame.equals(other[0].frame) and np.array_equal(one[1], other[1])


@pytest.mark.parametrize("config", [SQUARE, BY_CELL], ids=["square", "by cell"])
def test_each_file_is_read_once_and_the_result_is_the_same(listing, tmp_path, reads, config):
    result = at_once(listing, config, tmp_path / "once")
    assert sorted(reads) == listing.frame["path"].tolist()
    assert same(result, one_after_the_other(listing, config, tmp_path / "twice"))
    folders = [sorted(path.name for path in (tmp_path / name / "prepared").iterdir()) for name in ("once", "twice")]
    assert folders[0] == folders[1]


def test_a_broken_image_of_a_cell_is_left_out_and_its_cell_is_scaled_without_it(listing, tmp_path, reads):
    break_image(listing.root / "1.png")
    result = at_once(listing, BY_CELL, tmp_path / "once", "skip")
    assert len(reads) == len(CELLS)
    assert len(result[1]) == len(CELLS) - 1
    assert same(result, one_after_the_other(listing, BY_CELL, tmp_path / "twice", "skip"))


def test_what_needs_more_than_its_cell_is_read_again(listing, tmp_path, reads, monkeypatch):
    """An image of 16 bits needs the range of all; of a cell that is known in part, some are not read again."""
    cv2.imwrite(str(listing.root / "0.png"), cell_image(0)[..., 0].astype(np.uint16) * 16)
    detect = SQUARE.model_copy(update={"background": "detect"})
    result = at_once(listing, detect, tmp_path / "once")
    assert sorted(reads) == ["0.png", *listing.frame["path"]]
    assert same(result, one_after_the_other(listing, detect, tmp_path / "twice"))
    monkeypatch.setattr(scanning, "_RACY_NS", -(10**12))
    scan_listing(listing, "stop", tmp_path / "partly", False)
    write_image(listing.root / "2.png", cell_image(90))
    reads.clear()
    result = at_once(listing, BY_CELL, tmp_path / "partly")
    assert sorted(reads) == ["0.png", "1.png", "2.png", "2.png", *[f"{number}.png" for number in range(3, 8)]]
    assert same(result, one_after_the_other(listing, BY_CELL, tmp_path / "wholly"))


def test_a_full_disk_or_a_chromosome_that_is_too_large_is_said_when_the_cache_is_filled(listing, tmp_path, monkeypatch):
    tight = BY_CELL.model_copy(update={"canvas": CanvasConfig(scale=9.0, oversize="stop")})
    waiting = PreparedAhead(tight, prepared_folder(tmp_path))
    manifest = scan_listing(listing, "stop", tmp_path, False, waiting)
    with pytest.raises(UserError, match=r"0.png: the chromosome is .*prepare.canvas.oversize=shrink"):
        prepared_images(manifest, tight, tmp_path, False, waiting)
    monkeypatch.setattr(ahead.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    with pytest.raises(UserError, match="the prepared images need"):
        at_once(listing, SQUARE, tmp_path / "full")
