"""Facts of files: read once, remembered, never stale; broken files are named."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from datamodules.io.decode import border
from datamodules.manifest import scan as scanning
from karyocyte.common.errors import UserError
from tests.helpers.images import break_image, cell_image, scan_folder, write_class_folders, write_image

PHASH = "971bbf01b925cac64f07aec5db13b913457e44ec15281138b0fc77096ec79b13"


def distance(one: str, other: str) -> int:
    """In how many bits two hashes differ."""
    return (int(one, 16) ^ int(other, 16)).bit_count()


def hash_of(image: np.ndarray) -> str:
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return scanning.perceptual_hash(gray, float(np.median(border(gray))))


@pytest.fixture
def root(tmp_path):
    return write_class_folders(tmp_path / "data", {"all": 4, "hem": 4})


@pytest.fixture
def reads(monkeypatch):
    """Count the files that are really opened; let files of this moment count as old."""
    monkeypatch.setattr(scanning, "_RACY_NS", -(10**12))
    opened = []
    real = scanning._read_facts
    monkeypatch.setattr(scanning, "_read_facts", lambda path: (opened.append(Path(path).name), real(path))[1])
    return opened


def test_facts_are_those_of_the_files(root, tmp_path):
    write_image(root / "hem/s200_5.png", cell_image(7)[..., 0])
    frame = scan_folder(root, tmp_path / "cache").frame
    row = frame.set_index("image_id").loc["all/s0_1.png"]
    assert (row["width"], row["height"], row["channels"]) == (40, 40, 3)
    assert row["sha256"] == hashlib.sha256((root / "all/s0_1.png").read_bytes()).hexdigest()
    assert row["phash"] == PHASH  # as version 4.3.2 of imagehash computed it
    assert frame["subject"].tolist() == [None] * 9
    assert frame.index.tolist() == list(range(9))
    assert frame["channels"].tolist() == [3] * 8 + [1]


def test_a_light_image_has_the_hash_of_its_negative():
    image = cv2.copyMakeBorder(cell_image(3), 8, 8, 8, 8, cv2.BORDER_CONSTANT, value=(0, 0, 0))
    assert distance(hash_of(image), hash_of(255 - image)) <= 4
    assert distance(hash_of(image), hash_of(cell_image(4))) > 40


def test_two_images_of_one_id_are_named(root, tmp_path):
    listing = scan_folder(root, tmp_path / "cache")
    listing.frame.loc[[3, 2], "image_id"] = listing.frame["image_id"][[1, 0]].tolist()
    with pytest.raises(UserError, match="two images have the id all/s0_0.png: all/s0_0.png and all/s1_2.png"):
        scanning.scan_listing(listing, "stop", tmp_path / "cache")


def test_a_second_scan_opens_only_what_changed(root, tmp_path, reads):
    first = scan_folder(root, tmp_path / "cache")
    assert len(reads) == 8
    again = scan_folder(root, tmp_path / "cache")
    assert len(reads) == 8
    assert again.frame.equals(first.frame)
    write_image(root / "hem/s100_0.png", cell_image(99))
    changed = scan_folder(root, tmp_path / "cache")
    assert reads[8:] == ["s100_0.png"]
    assert (changed.frame["sha256"] != first.frame["sha256"]).sum() == 1


def test_of_jobs_that_begin_together_one_opens_the_files(root, tmp_path, reads):
    with ThreadPoolExecutor(3) as pool:
        scans = list(pool.map(lambda _: scan_folder(root, tmp_path / "cache"), range(3)))
    assert len(reads) == 8
    assert scans[0].frame.equals(scans[1].frame)
    assert scans[0].frame.equals(scans[2].frame)


def test_a_change_that_keeps_size_and_time_is_seen_and_said(root, tmp_path, reads, capsys):
    """A file that is written over with the same size, its modification time set back: the change time tells."""
    first = scan_folder(root, tmp_path / "cache")
    path = root / "hem/s100_0.png"
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1  # in the checksum of the end, which decoders pass over
    while path.stat().st_ctime_ns == status.st_ctime_ns:  # until the clock of the file system has moved on
        path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    changed = scan_folder(root, tmp_path / "cache")
    assert (changed.frame["sha256"] != first.frame["sha256"]).sum() == 1
    assert f"1 image changed since an earlier reading, such as {path}" in capsys.readouterr().out


def test_files_of_this_moment_are_not_remembered(root, tmp_path):
    scan_folder(root, tmp_path / "cache")
    assert not list(tmp_path.glob("cache/scan/*.parquet"))


def test_a_broken_image_is_named_with_the_number_of_others_and_what_was_read_is_kept(root, tmp_path, reads):
    for name in ("all/s0_0.png", "all/s1_2.png", "hem/s100_1.png"):
        break_image(root / name)
    with pytest.raises(UserError, match=r"all/s0_0.png \(.*truncated.*\) and 2 others: .*data.on_broken=skip"):
        scan_folder(root, tmp_path / "cache")
    assert len(reads) == 8
    write_image(root / "hem/s100_1.png", cell_image(92))
    with pytest.raises(UserError, match="and 1 other: "):
        scan_folder(root, tmp_path / "cache")
    for number, name in enumerate(("all/s0_0.png", "all/s1_2.png")):
        write_image(root / name, cell_image(90 + number))
    assert len(scan_folder(root, tmp_path / "cache").frame) == 8
    assert len(reads) == 13  # the three again, then two


def test_skipped_broken_images_are_in_the_notes(root, tmp_path):
    break_image(root / "all/s0_0.png")
    (root / "hem/s100_1.png").write_bytes(b"")
    manifest = scan_folder(root, tmp_path / "cache", on_broken="skip")
    assert manifest.notes == ("2 broken images skipped: 1 damaged or cut short, 1 an empty file",)
    assert manifest.skipped == ("all/s0_0.png", "hem/s100_1.png")
    assert len(manifest.frame) == 6
    assert manifest.frame.index.tolist() == list(range(6))


def test_what_was_chosen_in_files_is_counted_in_the_notes_also_from_memory(root, tmp_path, reads):
    for name in ("all/s0_0.tif", "hem/s100_0.tif"):
        pages = [Image.fromarray(cell_image(number)) for number in (31, 32)]
        pages[0].save(root / name, save_all=True, append_images=pages[1:])
    for _ in range(2):
        manifest = scan_folder(root, tmp_path / "cache")
        assert manifest.notes == ("2 images: several pages, of which the first was read",)
        assert "note" not in manifest.frame
    assert len(reads) == 10


def test_a_class_whose_images_are_all_broken_is_an_error(root, tmp_path, reads):
    for path in (root / "hem").iterdir():
        break_image(path)
    with pytest.raises(UserError, match="class hem has no image that can be read"):
        scan_folder(root, tmp_path / "cache", on_broken="skip")


@pytest.mark.parametrize("place", [200, -200, -1])
def test_what_is_remembered_of_files_and_damaged_is_read_again(root, tmp_path, reads, capsys, place):
    first = scan_folder(root, tmp_path / "cache")
    (memory,) = (tmp_path / "cache" / "scan").glob("*.parquet")
    content = bytearray(memory.read_bytes())
    content[place] ^= 0xFF
    memory.write_bytes(content)
    assert scan_folder(root, tmp_path / "cache").frame.equals(first.frame)
    assert f"{memory} is damaged" in capsys.readouterr().out
    scan_folder(root, tmp_path / "cache")
    assert capsys.readouterr().out == ""


def test_the_border_does_not_make_small_things_alike():
    """Small things in a large field: alike with the border, told apart without it, whichever ground they lie on."""
    for ground in (0, 255):
        hashes = []
        for seed in range(2):
            field = np.full((200, 200, 3), ground, np.uint8)
            field[90:110, 95:105] = cell_image(seed, 40)[10:30, 10:20] // 2 + 60
            hashes.append(hash_of(field))
        assert distance(*hashes) > 60


def test_the_hash_of_a_recompressed_or_moved_copy_is_near():
    picture = np.array(Image.fromarray(cell_image(3, 120, 20)).resize((240, 240), Image.Resampling.BICUBIC))
    known = hash_of(picture)
    for copy in (np.roll(picture, 15, axis=1), np.array(Image.fromarray(picture).resize((160, 160))), picture // 8 * 8):
        assert distance(hash_of(copy), known) <= 24
    turned = np.ascontiguousarray(np.rot90(picture))
    assert distance(hash_of(turned), known) > 60
