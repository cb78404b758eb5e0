"""Zip files: what is honest becomes a folder once, what is hostile or damaged leaves nothing behind."""

import multiprocessing
import os
import stat
import struct

import pytest

from common.errors import UserError
from datamodules.io import archives
from datamodules.io.archives import Limits, resolve_data_dir, unpack
from datamodules.sources import list_images
from datamodules.sources.cnmc import CnmcConfig
from datamodules.sources.folder import FolderConfig
from datamodules.sources.table import TableConfig
from tests.helpers.archives import patch, write_zip, zip_folder
from tests.helpers.images import write_class_folders, write_cnmc, write_table


def refused(archive, message, limits=None):
    """Unpacking fails with this message, and the folder holds nothing but the archive as before."""
    before = sorted(archive.parent.rglob("*"))
    with pytest.raises(UserError, match=message) as caught:
        unpack(archive, archive.parent / "out", limits, progress=False)
    assert str(archive) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert sorted(archive.parent.rglob("*")) == before


def test_files_and_folders_are_unpacked_with_the_rights_of_this_process(tmp_path):
    archive = write_zip(tmp_path / "a.zip", ("deep/er/file.txt", b"x" * 3000), mode=stat.S_IFREG | 0o4777)
    unpack(archive, tmp_path / "out", progress=False)
    assert (tmp_path / "out/deep/er/file.txt").read_bytes() == b"x" * 3000
    assert (tmp_path / "out/innocent.txt").read_bytes() == b"innocent"
    assert not (tmp_path / "out/deep/er/file.txt").stat().st_mode & 0o111


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../evil.txt", "'../evil.txt' points outside"),
        ("a/../../evil.txt", "points outside"),
        ("/etc/evil.txt", "'/etc/evil.txt' has an absolute path"),
        ("\\evil.txt", "has an absolute path"),
        ("C:/evil.txt", "has an absolute path"),
        ("C:evil.txt", "has an absolute path"),
        ("a\\..\\evil.txt", "holds a backslash"),
        ("a//evil.txt", "has a path that no folder can hold"),
        ("./evil.txt", "has a path that no folder can hold"),
        ("a" * 300, "has a path that no folder can hold"),
        ("evil\n.txt", "has control characters"),
        ("../evil/", "points outside"),
    ],
)
def test_a_member_outside_the_folder_is_refused(tmp_path, name, message):
    refused(write_zip(tmp_path / "a.zip", (name, b"" if name.endswith("/") else b"evil")), message)


def test_a_name_with_a_nul_is_refused(tmp_path):
    archive = write_zip(tmp_path / "a.zip", ("evilX.png", b"evil"))
    archive.write_bytes(archive.read_bytes().replace(b"evilX.png", b"evil\0.png"))
    refused(archive, "has control characters")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFDIR])
def test_what_is_no_plain_file_is_refused(tmp_path, kind):
    refused(write_zip(tmp_path / "a.zip", ("link", b"/etc/passwd"), mode=kind | 0o777), "'link' is a link, a device")


@pytest.mark.parametrize(
    "names", [("a/x.png", "a/x.png"), ("a/x.png", "A/X.png"), ("stra\u00dfe", "STRASSE"), ("\u00e9.png", "e\u0301.png")]
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_in_one_place_are_refused(tmp_path, names):
    refused(write_zip(tmp_path / "a.zip", *((name, b"x") for name in names)), "is there twice")


def test_a_file_where_a_folder_is_needed_is_refused(tmp_path):
    refused(write_zip(tmp_path / "a.zip", ("a", b"x"), ("A/b", b"x")), "'A/b' lies below a member that is a file")


def test_an_encrypted_member_is_refused(tmp_path):
    archive = write_zip(tmp_path / "a.zip", ("secret.txt", b"x"))
    refused(patch(archive, "secret.txt", 8, b"\x01\x00", 6), "'secret.txt' is encrypted")


def test_an_unknown_method_is_refused(tmp_path):
    archive = write_zip(tmp_path / "a.zip", ("odd.txt", b"x"))
    refused(patch(archive, "odd.txt", 10, b"\x13\x00", 8), "'odd.txt' is packed by method 19")


def test_limits_of_size_ratio_and_number(tmp_path):
    archive = write_zip(tmp_path / "a.zip", ("one.bin", bytes(500_000)), ("two.bin", bytes(500_000)))
    refused(archive, "'two.bin' brings it to more than 0.0 GB", Limits(size=900_000))
    refused(archive, "'one.bin' brings it to more than 50 times its size", Limits(ratio=50, small=1000))
    refused(archive, "has 3 members, more than 2", Limits(members=2))
    unpack(archive, tmp_path / "out", Limits(ratio=50), progress=False)
    assert (tmp_path / "out/two.bin").stat().st_size == 500_000


def test_a_full_disk_is_said_before(tmp_path, monkeypatch):
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 10}))
    refused(write_zip(tmp_path / "a.zip", ("x.bin", bytes(100))), "set cache_dir to a larger disk")


@pytest.mark.parametrize("claimed", [10, 90_000])
def test_a_member_that_lies_about_its_size_is_refused(tmp_path, claimed):
    archive = write_zip(tmp_path / "a.zip", ("liar.bin", os.urandom(50_000)))
    refused(patch(archive, "liar.bin", 24, struct.pack("<I", claimed), 22), "'liar.bin' is damaged")


def test_a_damaged_member_leaves_nothing(tmp_path):
    archive = write_zip(tmp_path / "a.zip", ("big.bin", os.urandom(50_000)))
    data = bytearray(archive.read_bytes())
    data[data.index(b"big.bin") + 20_000] ^= 0xFF
    archive.write_bytes(data)
    refused(archive, "'big.bin' is damaged")


def test_a_header_that_contradicts_the_directory_is_refused(tmp_path):
    archive = write_zip(tmp_path / "a.zip", ("shown.txt", b"x"))
    data = archive.read_bytes()
    archive.write_bytes(data.replace(b"shown.txt", b"other.txt", 1))
    refused(archive, "'shown.txt' is damaged .*differ")


@pytest.mark.parametrize("content", [b"", b"PK", b"no zip at all", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_zip_or_empty_is_said(tmp_path, content):
    (tmp_path / "a.zip").write_bytes(content)
    refused(tmp_path / "a.zip", "is no zip file that can be read|holds no file")


def test_a_cut_archive_is_said(tmp_path):
    archive = write_zip(tmp_path / "a.zip", ("x.bin", os.urandom(5000)))
    archive.write_bytes(archive.read_bytes()[:3000])
    refused(archive, "is no zip file that can be read")


def test_data_dir_stays_what_it_is_unless_it_is_a_zip(tmp_path):
    assert resolve_data_dir(None, tmp_path) is None
    assert resolve_data_dir(str(tmp_path), tmp_path / "cache") == str(tmp_path)
    assert resolve_data_dir(str(tmp_path / "none.zip"), tmp_path / "cache") == str(tmp_path / "none.zip")
    assert not (tmp_path / "cache").exists()


def test_an_archive_is_unpacked_once_and_anew_when_it_changes(tmp_path, monkeypatch):
    calls = []
    real = archives.unpack
    monkeypatch.setattr(archives, "unpack", lambda *args, **kwargs: (calls.append(1), real(*args, **kwargs)))
    archive = write_zip(tmp_path / "my [set] v1.0.zip", ("x.txt", b"x"))
    first = resolve_data_dir(str(archive), tmp_path / "cache", progress=False)
    assert first == resolve_data_dir(str(archive), tmp_path / "cache", progress=False)
    name = f"my [set] v1.0-{archives.sha256_of_file(archive)[:8]}"
    assert first == str(tmp_path / "cache" / "unpacked" / name)
    assert len(calls) == 1
    write_zip(archive, ("x.txt", b"y"))
    assert resolve_data_dir(str(archive), tmp_path / "cache", progress=False) != first
    assert len(calls) == 2


def test_a_known_archive_is_not_read_again(tmp_path, monkeypatch):
    archive = write_zip(tmp_path / "a.zip", ("x.txt", b"x"))
    monkeypatch.setattr(archives, "_RACY_NS", -(10**12))
    first = resolve_data_dir(str(archive), tmp_path / "cache", progress=False)
    monkeypatch.setattr(archives, "sha256_of_file", lambda path: pytest.fail("read again"))
    assert resolve_data_dir(str(archive), tmp_path / "cache", progress=False) == first


def test_two_processes_at_once_end_with_one_folder(tmp_path):
    archive = write_zip(tmp_path / "a.zip", *((f"{number}.bin", os.urandom(2000)) for number in range(200)))
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=resolve_data_dir, args=(str(archive), tmp_path / "cache", False)) for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    (folder,) = (path for path in (tmp_path / "cache/unpacked").iterdir() if path.is_dir())
    assert len(list(folder.iterdir())) == 201


@pytest.mark.parametrize("below", ["", "top/"])
def test_every_layout_is_found_in_a_zip(tmp_path, below):
    images = write_class_folders(tmp_path / "images", {"a": 2, "b": 2})
    cnmc = write_cnmc(tmp_path / "cnmc", subjects_per_fold=1, images=1)
    table = write_table(tmp_path / "table", [{"path": f"x/{n}.png", "label": "ab"[n % 2]} for n in range(4)])
    for folder, config, count in (
        (images, FolderConfig(source="folder", positive_class="b"), 4),
        (cnmc, CnmcConfig(source="cnmc", positive_class="all"), 6),
        (table, TableConfig(source="table", positive_class="b"), 4),
    ):
        archive = zip_folder(folder, tmp_path / f"{folder.name}.zip", below)
        listing = list_images(config, str(archive), tmp_path / "cache", progress=False)
        assert len(listing.records) == count
        assert all((listing.root / record.path).is_file() for record in listing.records)


def test_a_table_named_with_its_folder_is_found_in_a_zip(tmp_path):
    table = write_table(tmp_path / "table", [{"path": f"x/{n}.png", "label": "ab"[n % 2]} for n in range(4)])
    archive = zip_folder(table, tmp_path / "t.zip", "top/")
    config = TableConfig(source="table", positive_class="b", file="top/labels.csv")
    assert len(list_images(config, str(archive), tmp_path / "cache", progress=False).records) == 4
