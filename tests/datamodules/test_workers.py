"""Batches of loader processes that do not fit the shared memory are refused before they are waited for."""

import multiprocessing
import os
import shutil
import signal
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from datamodules import workers
from datamodules.prepared_dataset import PreparedDataset
from datamodules.workers import WatchedLoader, number_of_workers
from karyocyte.common.errors import UserError
from karyocyte.config.data import LoaderConfig
from lightning_modules.training.machine_faults import explained_faults


class Items:
    def __len__(self):
        return 10

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


def test_an_empty_data_set_needs_no_memory():
    assert number_of_workers(LoaderConfig(workers=2), PreparedDataset(*np.zeros((3, 0), np.int64))) == 2


class Endless:
    """Items that never come."""

    def __len__(self):
        return 4

    def __getitem__(self, index):
        time.sleep(600)


def test_a_process_that_is_killed_while_others_start_is_noticed_long_before_the_timeout(monkeypatch):
    start = multiprocessing.Process.start
    started = []

    def killed_at_once(process):
        start(process)
        if not started:
            os.kill(process.pid, signal.SIGKILL)
            process.join()
        started.append(process)

    monkeypatch.setattr(multiprocessing.context.Process, "start", killed_at_once)
    begin = time.monotonic()
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        next(iter(WatchedLoader(Endless(), num_workers=2, timeout=300)))
    for process in started:
        process.kill()
    assert time.monotonic() - begin < 60


@pytest.mark.parametrize("error", [ConnectionResetError, EOFError, FileNotFoundError])
def test_a_batch_that_a_killed_process_did_not_hand_over_is_an_error_of_that_process(monkeypatch, error):
    def lost(self):
        raise error

    monkeypatch.setattr(workers._WatchedIterator, "_try_get_data", lost)
    with pytest.raises(UserError, match="a process that loads images ended"), explained_faults(LoaderConfig(workers=1)):
        next(iter(WatchedLoader(torch.zeros(4), num_workers=1, timeout=30)))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # torch says that they were killed
def test_a_loader_that_gives_nothing_for_its_timeout_is_an_error():
    batches = iter(WatchedLoader(Endless(), num_workers=1, timeout=1))
    with pytest.raises(RuntimeError, match="timed out after 1 seconds"):
        next(batches)
    for process in multiprocessing.active_children():
        process.kill()
