"""CIFAR-10 as torchvision's batches and as a tree of image files."""

import numpy as np
import pytest

from datamodules.io.decode import read_image
from datamodules.sources.cifar10 import BATCHES, CLASSES
from karyocyte.common.errors import UserError
from tests.datamodules.sources.test_sources import write_tree
from tests.helpers.digits import write_batches
from tests.helpers.manifests import facts_of, rows_of
from tests.helpers.sources import list_images, source_config


def listed(root, tmp_path):
    return list_images(source_config("cifar10"), root, tmp_path / "cache", progress=False)


def test_batches_become_lossless_files(tmp_path, monkeypatch):
    from torchvision.datasets import CIFAR10

    root = write_batches(tmp_path / "data", monkeypatch)
    listing = listed(root, tmp_path)
    assert listing.notes[0].startswith("partial: 50 of 50,000 train images; missing: 49,950 train; the rest: ")
    assert [record.part for record in rows_of(listing)] == [None] * 50 + ["test"] * 10
    batch = CIFAR10(str(root), train=True)
    for record, (image, label) in zip(rows_of(listing)[:50], batch, strict=True):
        assert record.label == CLASSES[label]
        assert np.array_equal(read_image(listing.root / record.path), np.asarray(image))
    assert facts_of(listed(root / BATCHES, tmp_path)) == facts_of(listing)


def test_a_batch_that_is_not_the_published_one_is_never_unpickled(tmp_path, monkeypatch):
    root = write_batches(tmp_path / "data", monkeypatch)
    (root / BATCHES / "data_batch_3").write_bytes(b"cos\nsystem\n(S'touch evil'\ntR.")
    (root / BATCHES / "test_batch").unlink()
    monkeypatch.setattr("pickle.load", lambda *args, **kwargs: pytest.fail("unpickled"))
    with pytest.raises(UserError, match=r"no CIFAR10 in .*corrupted.*bring cifar-10-batches-py"):
        listed(root, tmp_path)


@pytest.mark.parametrize("below", ["", "cifar10"])
def test_a_tree_is_used_in_place(tmp_path, below):
    root = write_tree(tmp_path / "data" / below)
    listing = listed(tmp_path / "data", tmp_path)
    assert listing.root == root
    assert rows_of(listing)[0][:3] == ("train/airplane/0000.jpg", "train/airplane/0000.jpg", "airplane")
    assert sum(record.part == "test" for record in rows_of(listing)) == 20
    assert listing.notes[2] == "JPEG: not the published bits"
