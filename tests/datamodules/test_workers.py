"""Batches of loader processes that do not fit the shared memory are refused before they are waited for."""

import shutil
from types import SimpleNamespace

import pytest
import torch

from datamodules import workers
from datamodules.workers import number_of_workers
from karyocyte.common.config.data import LoaderConfig
from karyocyte.common.errors import UserError


class Items:
    def __getitems__(self, keys):
        return {"image": torch.zeros(len(keys), 1000, dtype=torch.uint8), "boxes": []}


@pytest.mark.parametrize(("free", "fitting"), [(70_000, 3), (69_999, 2), (30_000, 1), (29_999, 0), (0, 0)])
def test_as_many_processes_are_named_as_fit_the_shared_memory(tmp_path, monkeypatch, free, fitting):
    monkeypatch.setattr(workers, "SHARED", tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    if fitting:
        assert number_of_workers(LoaderConfig(batch_size=10, workers=fitting), Items()) == fitting
    with pytest.raises(UserError, match=f"set loader.workers={fitting}, or"):
        number_of_workers(LoaderConfig(batch_size=10, workers=fitting + 1), Items())
    assert number_of_workers(LoaderConfig(batch_size=10, workers=0), Items()) == 0


def test_without_such_a_folder_nothing_is_checked(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "SHARED", tmp_path / "none")
    assert number_of_workers(LoaderConfig(workers=99), Items()) == 99
