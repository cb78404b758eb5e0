"""A checkpoint file is whole or absent."""

import pytest
import torch

from lightning_modules.training.trainer import WholeFiles
from tests.karyocyte.workflows.full_disk import disk_to_fill, fill_disk

SMALL, LARGE = {"state": torch.arange(5)}, {"state": torch.zeros(500_000)}  # 2 MB


def test_on_a_full_disk_the_old_one_stays_whole_and_nothing_else_is_left(tmp_path):
    with disk_to_fill():
        path = tmp_path / "last.ckpt"
        WholeFiles().save_checkpoint(SMALL, path)
        fill_disk()
        with pytest.raises(OSError, match="No space left|File too large"):
            WholeFiles().save_checkpoint(LARGE, path)
        assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]
        assert torch.equal(WholeFiles().load_checkpoint(path)["state"], SMALL["state"])


def test_nothing_goes_by_way_of_the_folder_for_temporary_files(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "there is none"))
    path = tmp_path / "deep" / "last.ckpt"
    WholeFiles().save_checkpoint(SMALL, path)
    assert torch.equal(WholeFiles().load_checkpoint(path)["state"], SMALL["state"])
    assert [path.name for path in path.parent.glob("[!.]*")] == ["last.ckpt"]
