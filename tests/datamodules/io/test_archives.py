"""Zip files: an honest one becomes a folder once, a hostile or damaged one leaves nothing behind."""

import os
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from stat import S_IFBLK, S_IFCHR, S_IFIFO, S_IFLNK, S_IFREG, S_IFSOCK

import pytest

from datamodules.io import archives
from datamodules.io.archives import resolve_data_dir, unpack
from karyocyte.common.errors import UserError
from tests.helpers.archives import patch, write_zip

NOISE = os.urandom(50_000)


def refusal(archive):
    """Return the message with which unpacking fails; the folder then holds nothing but the archive as before."""
    before = sorted(archive.parent.rglob("*"))
    with pytest.raises(UserError) as caught:
        unpack(archive, archive.parent / "out", progress=False)
    assert str(archive) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert sorted(archive.parent.rglob("*")) == before
    return str(caught.value)


def test_files_and_folders_are_unpacked_with_the_rights_of_this_process(tmp_path):
    archive = write_zip(tmp_path / "a.zip", ("deep/er/file.txt", b"x" * 3000), mode=S_IFREG | 0o4777)
    unpack(archive, tmp_path / "out", progress=False)
    assert (tmp_path / "out/deep/er/file.txt").read_bytes() == b"x" * 3000
    assert (tmp_path / "out/innocent.txt").read_bytes() == b"innocent"
    assert not (tmp_path / "out/deep/er/file.txt").stat().st_mode & 0o111


def test_backslashes_alone_separate_folders_as_on_windows(tmp_path):
    archive = write_zip(tmp_path / "a.zip", ("deep\\er\\file.txt", b"x"))
    for _ in range(2):
        folder = Path(resolve_data_dir(str(archive), tmp_path / "cache", progress=False))
        assert (folder / "deep/er/file.txt").read_bytes() == b"x"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../evil.txt", "'../evil.txt' points outside"), ("a/../../evil.txt", "points outside"),
        ("/etc/evil.txt", "points outside"), ("\\evil.txt", "points outside"), ("C:/evil.txt", "points outside"),
        ("a\\..\\evil.txt", "points outside"), ("../evil/", "points outside"),
        ("a/b\\evil.txt", "no folder can hold: nothing was unpacked; if you trust it, unpack it by hand"),
        *((kind, "'link' is a link, a device") for kind in (S_IFLNK, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK)),
    ],
)  # fmt: skip
def test_unsafe_names_links_and_devices_are_refused(tmp_path, name, message):
    name, mode = ("link", name | 0o777) if isinstance(name, int) else (name, S_IFREG | 0o644)
    archive = write_zip(tmp_path / "a.zip", (name, b"" if name.endswith("/") else b"evil"), mode=mode)
    assert message in refusal(archive)


HEADERS = {  # offset in the directory, value, offset in the header
    "encrypted": ((8, b"\x01\x00", 6), "'x.bin' is encrypted"),
    "method": ((10, b"\x13\x00", 8), "compression method is not supported): unpack it by hand"),
    "smaller than it is": ((24, struct.pack("<I", 10), 22), "Bad CRC-32"),
}
BYTES = {
    "name": ((b"x.bin", b"x\0bin"), "has a name that no folder can hold"),
    "content": ((NOISE[20_000:20_010], bytes(10)), "Bad CRC-32"),
    "signature": ((b"PK\x03\x04", b"PK\x03\x05"), "Bad magic number"),
}


@pytest.mark.parametrize("damage", HEADERS | BYTES)
def test_false_headers_and_damaged_bytes_are_refused(tmp_path, damage):
    archive = write_zip(tmp_path / "a.zip", ("x.bin", NOISE))
    change, message = (HEADERS | BYTES)[damage]
    if damage in HEADERS:
        patch(archive, "x.bin", *change)
    else:
        archive.write_bytes(archive.read_bytes().replace(*change))
    assert message in refusal(archive)


@pytest.mark.parametrize("content", [b"", b"PK", b"no zip at all", b"PK\x05\x06" + bytes(18), "cut"])
def test_cut_and_empty_archives_and_other_files_are_refused(tmp_path, content):
    if content == "cut":
        content = write_zip(tmp_path / "a.zip", ("x.bin", NOISE)).read_bytes()[:3000]
    (tmp_path / "a.zip").write_bytes(content)
    message = refusal(tmp_path / "a.zip")
    assert "is not a readable zip file" in message or "holds no file" in message


OTHERS = [b"\x1f\x8b\x08", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", bytes(257) + b"ustar", b"<html>"]


@pytest.mark.parametrize("start", OTHERS)
def test_of_archives_of_another_kind_it_is_said_to_unpack_them(tmp_path, start):
    (tmp_path / "a.zip").write_bytes(start)
    assert "unpack it by hand, and name the folder" in refusal(tmp_path / "a.zip")


@pytest.mark.parametrize("limits", [{"LARGEST": 900_000}, {"LARGEST_RATIO": 50, "SMALL": 1000}])
def test_an_archive_that_unpacks_to_far_more_than_its_size_is_refused(tmp_path, monkeypatch, limits):
    archive = write_zip(tmp_path / "a.zip", ("one.bin", bytes(500_000)), ("two.bin", bytes(500_000)))
    for name, limit in limits.items():
        monkeypatch.setattr(archives, name, limit)
    assert "unpacks to 0.0 GB, more than" in refusal(archive)


def test_a_full_disk_is_reported_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 10}))
    archive = write_zip(tmp_path / "a.zip", ("x.bin", bytes(100)))
    assert "set cache_dir to a larger disk" in refusal(archive)


def test_an_archive_is_unpacked_once_and_again_when_it_changes(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(archives, "unpack", lambda *given: (calls.append(given), unpack(*given)))
    archive = write_zip(tmp_path / "my [set] v1.0.zip", ("x.txt", b"x"))
    with ThreadPoolExecutor(3) as pool:  # as jobs of a sweep that begin together
        jobs = [pool.submit(resolve_data_dir, str(archive), tmp_path / "cache", progress=False) for _ in range(3)]
    first = jobs[0].result()
    assert {job.result() for job in jobs} == {first}
    assert first == resolve_data_dir(str(archive), tmp_path / "cache", progress=False)
    assert len(calls) == 1
    assert first.startswith(str(tmp_path / "cache" / "unpacked" / "my [set] v1.0-"))
    for damage in (Path.unlink, lambda path: path.write_bytes(b"")):
        damage(Path(first) / "x.txt")
        assert first == resolve_data_dir(str(archive), tmp_path / "cache", progress=False)
        assert (Path(first) / "x.txt").read_bytes() == b"x"
    write_zip(archive, ("more.txt", b"y"))
    assert resolve_data_dir(str(archive), tmp_path / "cache", progress=False) != first
