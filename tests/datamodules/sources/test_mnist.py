"""MNIST from its IDX files, and what it shares with CIFAR-10: the download."""

import gzip
import urllib.error
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from datamodules.io.decode import read_image
from karyocyte.common import locks
from karyocyte.common.errors import UserError
from tests.helpers.digits import digit_arrays, write_mnist
from tests.helpers.manifests import rows_of
from tests.helpers.sources import list_images, source_config


@pytest.fixture
def root(tmp_path):
    return write_mnist(tmp_path / "data")


def listed(root, tmp_path, source="mnist", **keys):
    return list_images(source_config(source, **keys), root, tmp_path / "cache", progress=False)


def test_images_labels_and_parts_are_those_of_the_files(root, tmp_path):
    listing = listed(root, tmp_path)
    assert [record.part for record in rows_of(listing)] == [None] * 40 + ["test"] * 20
    for seed, records in enumerate((rows_of(listing)[:40], rows_of(listing)[40:])):
        images, labels = digit_arrays(len(records), seed)
        for record, image, label in zip(records, images, labels, strict=True):
            assert record.label == str(label)
            assert np.array_equal(read_image(listing.root / record.path), np.repeat(image[..., None], 3, axis=2))


@pytest.mark.parametrize("place", [".", "mnist"])
def test_packed_files_in_other_places_give_the_same_images(root, tmp_path, place):
    for path in (root / "MNIST" / "raw").iterdir():
        packed = tmp_path / "other" / place / f"{path.name}.gz"
        packed.parent.mkdir(parents=True, exist_ok=True)
        packed.write_bytes(gzip.compress(path.read_bytes()))
    assert rows_of(listed(tmp_path / "other", tmp_path)) == rows_of(listed(root, tmp_path))
    packed.write_bytes(packed.read_bytes()[:-10])
    with pytest.raises(UserError, match=r"\.gz is damaged .*: download it again"):
        listed(tmp_path / "other", tmp_path)


@pytest.mark.parametrize("left", [0, 200])
def test_a_damaged_file_is_an_error(root, tmp_path, left):
    path = root / "MNIST" / "raw" / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(UserError, match="ubyte is damaged .*: download it again"):
        listed(root, tmp_path)


@pytest.mark.parametrize("source", ["mnist", "cifar10"])
def test_a_download_that_fails_says_what_to_bring(tmp_path, monkeypatch, source):
    def no_network(*args, **kwargs):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr("urllib.request.urlopen", no_network)
    with pytest.raises(UserError, match=r"the download of .* failed \(.*\): bring its files to .*by hand") as caught:
        listed(tmp_path / "new", tmp_path, source, download=True)
    assert len(str(caught.value).splitlines()) == 1


def test_one_process_at_a_time_downloads(tmp_path, monkeypatch):
    running, said, waits = [], [], Event()

    def say(*lines):
        said.append(lines[0])
        waits.set()

    def download(folder, download):
        running.append(folder)
        assert len(running) == 1
        assert waits.wait(60)  # until another one is there
        write_mnist(Path(folder))
        running.clear()

    monkeypatch.setattr(locks, "say", say)
    monkeypatch.setattr("torchvision.datasets.MNIST", download)
    with ThreadPoolExecutor(3) as pool:
        rows = pool.map(lambda number: rows_of(listed(tmp_path / "new", tmp_path / number, download=True)), "012")
        assert [len(each) for each in rows] == [60] * 3
    assert said[0].startswith("waiting for another process, which downloads MNIST")
