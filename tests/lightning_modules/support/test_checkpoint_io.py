"""Checkpoints are read without running code."""

import errno
import io
import pickle
from pathlib import Path

import pytest
import torch

from karyocyte.common.errors import UserError
from lightning_modules.support import checkpoint_io
from lightning_modules.support.checkpoint_io import is_whole, read_checkpoint


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
    assert [is_whole(tmp_path / f"{name}.ckpt") for name in "acd"] == [True, False, False]
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("error", [OSError(errno.EIO, "no answer"), OSError(errno.ESTALE, "stale"), MemoryError()])
@pytest.mark.parametrize("succeeding", [0, 1, 3])
def test_a_disk_that_does_not_answer_is_not_taken_for_damage(tmp_path, monkeypatch, error, succeeding):
    class Failing(io.BufferedReader):
        reads = 0

        def read(self, size=-1):
            self.reads += 1
            if self.reads > succeeding:
                raise error
            return super().read(size)

    path = tmp_path / "a.ckpt"
    torch.save({"weights": torch.zeros(100_000)}, path)
    assert is_whole(path)
    monkeypatch.setattr(checkpoint_io, "open", lambda path, mode: Failing(io.FileIO(path)), raising=False)
    for reads in (is_whole, read_checkpoint):
        with pytest.raises(type(error)) as raised:
            reads(path)
        assert isinstance(error, MemoryError) or raised.value.filename == str(path)


def test_every_damage_of_the_table_of_contents_is_one_of_the_content(tmp_path):
    path = tmp_path / "a.ckpt"
    torch.save({"weights": torch.zeros(10)}, path)
    content = path.read_bytes()
    for place in range(1, 200):
        changed = bytearray(content)
        changed[-place] ^= 0x80
        path.write_bytes(changed)
        assert isinstance(is_whole(path), bool)


def test_a_checkpoint_that_cannot_be_opened_is_not_taken_for_damage(tmp_path):
    with pytest.raises(IsADirectoryError):
        is_whole(tmp_path)
