"""The listing of image files: each once, in natural order, whatever cannot be listed among them."""

import os

import pytest

from datamodules.inference.image_batches import read_plain_file
from datamodules.inference.image_files import find_image_files
from datamodules.io.decode import BrokenImageError
from karyocyte.common.errors import UserError


@pytest.fixture
def folder(tmp_path):
    """Images, and others, of two folders."""
    for name in ("a/2.png", "a/10.png", "b/1.jpg", "c.png", "a/notes", "b/.hidden.png"):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    return tmp_path / "images"


def names(*places, tmp_path):
    return [file.name for file in find_image_files(places, tmp_path / "cache").files]


def test_folders_are_in_natural_order(folder, tmp_path):
    images = find_image_files([folder], tmp_path / "cache")
    assert [file.name for file in images.files] == ["a/2.png", "a/10.png", "b/1.jpg", "c.png"]
    assert images.files[1].path == folder / "a" / "10.png"
    assert [file.name for file in images.files[1:-1]] == ["a/10.png", "b/1.jpg"]
    assert images.files[-1].folders == ("images",)
    assert images.others == {"hidden": 1, "without suffix": 1}


def test_a_file_counts_once_and_one_that_was_named_is_an_image(folder, tmp_path):
    file, notes = folder / "a" / "2.png", folder / "a" / "notes"
    assert names(folder, file, notes, tmp_path=tmp_path).count(str(file)) == 1
    assert names(file, folder, tmp_path=tmp_path).count(str(file)) == 1
    assert str(notes) in names(folder, notes, tmp_path=tmp_path)
    assert len(names(folder / "a", folder, tmp_path=tmp_path)) == 4


def test_a_folder_that_cannot_be_listed_is_a_broken_file(folder, tmp_path, monkeypatch):
    scandir = os.scandir

    def refused(place):
        if str(place).rstrip("/").endswith(("/b", "/.private")):
            raise PermissionError(13, "Permission denied", str(place))
        return scandir(place)

    (folder / ".private").mkdir()
    monkeypatch.setattr(os, "scandir", refused)
    images = find_image_files([folder], tmp_path / "cache")
    assert [file.name for file in images.files] == ["a/2.png", "a/10.png", "b", "c.png"]
    assert images.others == {"hidden folder": 1, "without suffix": 1}
    with pytest.raises(BrokenImageError, match="a folder that cannot be listed"):
        read_plain_file(images.files[2].path)


def test_images_that_cannot_be_read_are_among_the_images_but_not_alone(folder, tmp_path):
    (folder / "a" / "cell.HEIC").write_text("x")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    (folder / "a" / "Thumbs.db").write_text("x")
    images = find_image_files([folder], tmp_path / "cache")
    assert {"a/cell.HEIC", "loop.png"} <= {file.name for file in images.files}
    assert images.others == {"hidden": 2, "without suffix": 1}
    for file in images.files:
        if file.path.suffix != ".HEIC":
            file.path.unlink()
    with pytest.raises(UserError, match=r"no image in .*1 .heic.*and WebP files are read"):
        find_image_files([folder], tmp_path / "cache")
