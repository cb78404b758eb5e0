"""Damage that a process that loads images meets, and disks that do not answer."""

import numpy as np
import pytest
from torch.utils.data import DataLoader

from datamodules.prepared_dataset import PreparedDataset, whole_batch
from datamodules.preprocessing import checked_images
from datamodules.preprocessing.cache import cache_folder, prepared_images
from karyocyte.common.errors import UserError
from karyocyte.config.data import PrepareConfig
from tests.helpers.images import scan_folder, write_class_folders

CONFIG = PrepareConfig(size=24)


@pytest.fixture
def prepare(tmp_path):
    """Return a function that opens the prepared images, and their folder."""
    manifest = scan_folder(write_class_folders(tmp_path / "data", {"a": 3, "b": 3}), tmp_path / "cache")
    return lambda: prepared_images(manifest, CONFIG, tmp_path / "cache"), cache_folder(
        manifest, CONFIG, tmp_path / "cache"
    )


def test_a_loader_process_removes_damaged_images_and_the_next_start_prepares_them(prepare, capfd):
    opened, folder = prepare
    images = opened()
    right = np.array(images)
    content = bytearray((folder / "images.npy").read_bytes())
    content[-1] ^= 1
    (folder / "images.npy").write_bytes(content)
    data = PreparedDataset(images, np.arange(6), np.zeros(6, np.int64))
    with pytest.raises(UserError) as raised:
        list(DataLoader(data, num_workers=2, timeout=60, batch_size=1, collate_fn=whole_batch))
    assert f"{folder} was damaged and is removed" in str(raised.value)
    assert not folder.exists()
    assert np.array_equal(np.array(opened()), right)


@pytest.mark.parametrize("error", [PermissionError(13, "denied"), OSError(5, "no answer"), MemoryError()])
def test_images_that_cannot_be_read_at_present_are_kept(prepare, monkeypatch, error):
    opened, folder = prepare
    opened()
    written = (folder / "images.npy").stat()

    def failing(*arguments, **options):
        raise error

    monkeypatch.setattr(checked_images.np, "load", failing)
    with pytest.raises(type(error)):
        opened()
    assert (folder / "images.npy").stat() == written
