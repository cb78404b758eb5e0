"""CIFAR-10 as torchvision's batches and as a tree of image files."""

import urllib.error
import zipfile

import numpy as np
import pytest

from common.errors import UserError
from datamodules.io.decode import read_image
from datamodules.sources import list_images
from datamodules.sources.cifar10 import CLASSES, Cifar10Config
from tests.helpers.digits import write_batches
from tests.helpers.images import cell_image, write_image
from tests.helpers.real_data import real_archive

CONFIG = Cifar10Config(source="cifar10")


def listed(root, tmp_path, config=CONFIG):
    return list_images(config, str(root), tmp_path / "cache", progress=False)


def write_tree(root):
    for part, count in (("train", 3), ("test", 2)):
        for name in CLASSES:
            for number in range(count):
                write_image(root / part / name / f"{number:04d}.jpg", cell_image(number))
    return root


def test_batches_become_lossless_files(tmp_path, monkeypatch):
    from torchvision.datasets import CIFAR10

    root = write_batches(tmp_path / "data", monkeypatch)
    listing = listed(root, tmp_path)
    assert listing.notes == ("partial: 50 of 50,000 train images", "partial: 10 of 10,000 test images")
    assert [record.part for record in listing.records] == [None] * 50 + ["test"] * 10
    batch = CIFAR10(str(root), train=True)
    for record, (image, label) in zip(listing.records[:50], batch, strict=True):
        assert record.label == CLASSES[label]
        assert np.array_equal(read_image(listing.root / record.path), np.asarray(image))
    assert listed(root / "cifar-10-batches-py", tmp_path) == listing


def test_a_batch_that_is_not_the_published_one_is_never_unpickled(tmp_path, monkeypatch):
    root = write_batches(tmp_path / "data", monkeypatch)
    (root / "cifar-10-batches-py" / "data_batch_3").write_bytes(b"cos\nsystem\n(S'touch evil'\ntR.")
    (root / "cifar-10-batches-py" / "test_batch").unlink()
    monkeypatch.setattr("pickle.load", lambda *args, **kwargs: pytest.fail("unpickled"))
    with pytest.raises(UserError, match="data_batch_3, test_batch missing or not as published"):
        listed(root, tmp_path)


def test_a_tree_is_used_in_place(tmp_path):
    root = write_tree(tmp_path / "data")
    listing = listed(root, tmp_path)
    assert listing.root == root
    assert listing.classes == CLASSES
    assert listing.records[0][:3] == ("train/airplane/0000.jpg", "train/airplane/0000.jpg", "airplane")
    assert sum(record.part == "test" for record in listing.records) == 20
    assert listing.notes[0] == "partial: 30 of 50,000 train images"
    assert listing.notes[2] == "JPEG: not the published bits"


def test_an_unknown_or_missing_class_folder_is_named(tmp_path):
    root = write_tree(tmp_path / "data")
    (root / "test" / "zebra").mkdir()
    with pytest.raises(UserError, match="no class of CIFAR-10 is called zebra: airplane, automobile"):
        listed(root, tmp_path)
    (root / "test" / "zebra").rmdir()
    (root / "test" / "frog").rename(tmp_path / "frog")
    with pytest.raises(UserError, match="has no folder frog"):
        listed(root, tmp_path)


def test_a_folder_with_neither_says_what_to_bring(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "cifar-10-python.tar.gz").write_bytes(b"x")
    with pytest.raises(
        UserError, match=r"no CIFAR-10 in .*unpack cifar-10-python.tar.gz first.*bring cifar-10-batches"
    ):
        listed(tmp_path / "data", tmp_path)


def test_a_download_that_fails_says_what_to_bring(tmp_path, monkeypatch):
    def no_network(*args, **kwargs):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr("urllib.request.urlopen", no_network)
    with pytest.raises(UserError, match=r"the download failed .*bring CIFAR-10 \(cifar-10-batches-py\) to .*by hand"):
        listed(tmp_path / "new", tmp_path, Cifar10Config(source="cifar10", download=True))


def test_the_real_archive_holds_half_the_train_and_the_whole_test_set():
    with zipfile.ZipFile(real_archive("cifar10_jpeg")) as archive:
        names = [name.split("/") for name in archive.namelist() if name.endswith(".jpg")]
    assert {name[1] for name in names} == set(CLASSES)
    assert sum(name[0] == "train" for name in names) == 25_000
    assert sum(name[0] == "test" for name in names) == 10_000
