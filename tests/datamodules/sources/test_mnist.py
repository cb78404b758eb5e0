"""MNIST from its IDX files."""

import urllib.error

import numpy as np
import pytest

from common.config.schema import SplitConfig
from common.errors import UserError
from datamodules.io.decode import read_image
from datamodules.manifest.splits import split
from datamodules.sources import list_images, mnist, scan
from datamodules.sources.mnist import MnistConfig
from tests.helpers.archives import zip_folder
from tests.helpers.digits import digit_arrays, write_idx, write_mnist
from tests.helpers.real_data import real_data

CONFIG = MnistConfig(source="mnist")


def listed(root, tmp_path, config=CONFIG):
    return list_images(config, str(root), tmp_path / "cache", progress=False)


def test_images_labels_and_parts_are_those_of_the_files(tmp_path):
    listing = listed(write_mnist(tmp_path / "data"), tmp_path)
    assert listing.classes == tuple("0123456789")
    assert [record.part for record in listing.records] == [None] * 40 + ["test"] * 20
    for seed, records in enumerate((listing.records[:40], listing.records[40:])):
        images, labels = digit_arrays(len(records), seed)
        for record, image, label in zip(records, images, labels, strict=True):
            assert record.label == str(label)
            assert np.array_equal(read_image(listing.root / record.path), np.repeat(image[..., None], 3, axis=2))
    assert listing.notes == ("partial: 40 of 60,000 train images", "partial: 20 of 10,000 test images")


@pytest.mark.parametrize("below", ["", "mnist", "MNIST/raw"])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_every_place_and_form_gives_the_same_images(tmp_path, below, ending):
    listing = listed(write_mnist(tmp_path / "data", ending=ending).parent / "data", tmp_path)
    write_mnist(tmp_path / "other" / below, ending=ending)
    assert listed(tmp_path / "other", tmp_path) == listing
    archive = zip_folder(tmp_path / "other", tmp_path / "digits.zip", "top/")
    assert listed(archive, tmp_path) == listing


def test_the_official_test_set_stays_apart_and_the_paper_pools_all(tmp_path):
    manifest = scan(CONFIG, str(write_mnist(tmp_path / "data", 100, 40)), tmp_path / "cache", progress=False)
    parts = split(manifest, "image", SplitConfig(test="test"), None)
    assert set(manifest.frame["part"][parts == "test"]) == {"test"}
    assert (parts == "test").sum() == 40
    assert (parts == "validation").sum() == 20
    assert set(manifest.frame["channels"]) == {1}


def test_the_pngs_are_written_once(tmp_path, monkeypatch):
    root = write_mnist(tmp_path / "data")
    first = listed(root, tmp_path)
    monkeypatch.setattr("datamodules.sources._arrays._write_all", lambda *args: pytest.fail("written again"))
    assert listed(root, tmp_path) == first


def test_a_stopped_writing_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("datamodules.sources._arrays.cv2.imwrite", lambda *args: False)
    with pytest.raises(OSError, match="cannot write"):
        listed(write_mnist(tmp_path / "data"), tmp_path)
    assert not [path for path in (tmp_path / "cache" / "mnist").iterdir() if path.is_dir()]


def test_missing_files_are_named(tmp_path):
    root = write_mnist(tmp_path / "data")
    (root / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(UserError, match=r"data lacks t10k-labels-idx1-ubyte\.gz: bring them to .*data\.download=true"):
        listed(root, tmp_path)


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_damaged_file_is_named(tmp_path, ending):
    root = write_mnist(tmp_path / "data", ending=ending)
    path = root / f"train-images-idx3-ubyte{ending}"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UserError, match="train-images-idx3-ubyte.* is no IDX file of images"):
        listed(root, tmp_path)
    path.write_bytes(b"")
    with pytest.raises(UserError, match="train-images-idx3-ubyte.* is no IDX file of images"):
        listed(root, tmp_path)


def test_labels_that_do_not_fit_are_refused(tmp_path):
    root = write_mnist(tmp_path / "data")
    write_idx(root / "train-labels-idx1-ubyte.gz", np.zeros(39, np.uint8))
    with pytest.raises(UserError, match="40 train images, 39 labels"):
        listed(root, tmp_path)
    write_idx(root / "train-labels-idx1-ubyte.gz", np.full(40, 10, np.uint8))
    with pytest.raises(UserError, match="a train label is 10, above 9"):
        listed(root, tmp_path)


def test_a_download_that_fails_says_what_to_bring(tmp_path, monkeypatch):
    def no_network(*args, **kwargs):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr("urllib.request.urlopen", no_network)
    config = MnistConfig(source="mnist", download=True)
    with pytest.raises(UserError, match=r"the download failed \(.*not known.*\): bring MNIST \(train-images") as caught:
        listed(tmp_path / "new", tmp_path, config)
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "new").exists()
    write_mnist(tmp_path / "new")
    assert len(listed(tmp_path / "new", tmp_path, config).records) == 60


def test_nothing_is_downloaded_into_what_a_zip_unpacks_to(tmp_path):
    archive = zip_folder(write_mnist(tmp_path / "digits"), tmp_path / "digits.zip")
    for place in (archive, tmp_path / "none.zip"):
        with pytest.raises(UserError, match=r"data.download=true needs a folder, not data_dir=.*\.zip"):
            listed(place, tmp_path, MnistConfig(source="mnist", download=True))
    assert not (tmp_path / "none.zip").exists()


def test_the_real_files_are_complete():
    root = real_data("mnist")
    files = mnist.find_files(root)
    for part, (_, labels) in mnist.FILES.items():
        found = mnist._read(files[labels], "label")
        assert len(found) == mnist.PUBLISHED[part]
        assert set(found) == set(range(10))
