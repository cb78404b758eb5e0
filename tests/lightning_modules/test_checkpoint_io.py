"""Checkpoints are read without running code."""

import pickle
from pathlib import Path

import pytest
import torch

from karyocyte.common.errors import UserError
from lightning_modules.checkpoint_io import read_checkpoint


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_checkpoint_of_strangers_runs_no_code(tmp_path):
    torch.save({"state_dict": {}, "evil": Evil(tmp_path / "evil")}, tmp_path / "a.ckpt")
    (tmp_path / "b.ckpt").write_bytes(pickle.dumps({"state_dict": Evil(tmp_path / "evil")}))
    (tmp_path / "c.ckpt").write_bytes((tmp_path / "a.ckpt").read_bytes()[:-100])
    (tmp_path / "d.ckpt").touch()
    for name in "abcd":
        with pytest.raises(UserError, match=r"\.ckpt is damaged, or no checkpoint of tensors alone"):
            read_checkpoint(tmp_path / f"{name}.ckpt")
    assert not (tmp_path / "evil").exists()
