"""What counts as an image, and what is counted as something else."""

import pytest

from datamodules.io.decode import encode_png
from datamodules.io.folder_content import OWN, describe_others, scan_folder, starts_as_image
from karyocyte.common.files import write_text
from karyocyte.common.locks import file_lock
from tests.helpers.images import cell_image, write_image

IMAGES = ("a.jfif", "a.jpe", "a.JPG_large", "no_suffix", "a.txt")
COPIES = ("a.png~", "~$a.png", "a.png.bak", "a.png.crdownload", "._a.png")  # and downloads, which programs leave


def test_an_image_is_known_by_its_content_where_its_name_does_not_say(tmp_path):
    for number, suffix in enumerate((".png", ".jpg", ".tif", ".bmp", ".webp")):
        path = write_image(tmp_path / f"{number}{suffix}", cell_image(number))
        path.rename(tmp_path / f"{number} of a browser")
    (tmp_path / "notes.txt").write_text("BM is no bitmap")
    (tmp_path / "labels.csv").write_text("path,label")
    content = scan_folder(tmp_path)
    assert content.images == [f"{number} of a browser" for number in range(5)]
    assert content.others == {".txt": 1, ".csv": 1}


@pytest.mark.parametrize("name", IMAGES + COPIES)
def test_odd_suffixes_hide_no_images_and_copies_are_none(tmp_path, name):
    (tmp_path / name).write_bytes(encode_png(cell_image(0)))
    content = scan_folder(tmp_path)
    assert (content.images, content.others) == (([name], {}) if name in IMAGES else ([], {"hidden": 1}))


@pytest.mark.parametrize("folder", [
    "@eaDir", "#recycle", "lost+found", "$RECYCLE.BIN", ".Trash-1000", "__MACOSX", "thumbnails", "@Recently-Snapshot",
    "Temporary Items", "FOUND.000", "~snapshot",
])  # fmt: skip
def test_what_systems_leave_is_no_image_but_counted(tmp_path, folder):
    write_image(tmp_path / "a.png", cell_image(0))
    write_image(tmp_path / folder / "a.png" / "SYNOPHOTO_THUMB_M.png", cell_image(0))
    (tmp_path / "Thumbs.db").write_bytes(encode_png(cell_image(0)))
    content = scan_folder(tmp_path)
    assert content.images == ["a.png"]
    assert content.others == {"hidden folder": 1, "hidden": 1}


@pytest.mark.parametrize("write", [
    lambda folder: write_text(folder / "deep" / "figures.csv", ""),
    lambda folder: [(folder / "run").mkdir(parents=True), (folder / "run" / "identity.json").touch()],  # has no mark
    lambda folder: file_lock(folder / "of.lock").acquire().lock.release(),
])  # fmt: skip
def test_what_karyocyte_itself_writes_is_no_image_but_counted(tmp_path, write):
    write_image(tmp_path / "a" / "1.png", cell_image(0))
    write(tmp_path / "outputs")
    write_image(tmp_path / "outputs" / "run" / "roc.png", cell_image(1))
    content = scan_folder(tmp_path)
    assert content.images == ["a/1.png"]
    assert content.others[OWN] == 1
    assert scan_folder(tmp_path / "outputs" / "run").images == ["roc.png"]  # of a folder that is named


def test_links_lead_out_only_where_they_are_followed_and_a_loop_of_them_ends(tmp_path):
    root, outside = tmp_path / "data", tmp_path / "outside"
    write_image(root / "class" / "a.png", cell_image(0))
    write_image(outside / "b.png", cell_image(1))
    links = {root / "class" / "folder": outside, root / "class" / "c.png": outside / "b.png"}
    links |= {root / "up": root, root / "again": root / "class", outside / "back": root, outside / "itself": outside}
    for link, place in links.items():
        link.symlink_to(place)
    content = scan_folder(root)
    assert content.images == ["class/a.png"]
    assert content.others == {"link out of the folder": 2, "link to a folder that is listed": 2}
    assert scan_folder(root, follow_links=True).images == ["class/a.png", "class/c.png", "class/folder/b.png"]


def test_others_are_described_by_kind_the_most_frequent_first_and_what_is_no_file_starts_as_no_image(tmp_path):
    assert describe_others({".txt": 1, "hidden": 2}) == "3 other files, not images: 2 hidden, 1 .txt"
    assert describe_others({}) == "no other file"
    assert not starts_as_image(tmp_path / "none")
    assert not starts_as_image(tmp_path)
