"""Processes that load images: one that was killed, and an error of one."""

import multiprocessing
import os
import signal
import time

import pytest
import torch

from datamodules import workers
from datamodules.workers import WatchedLoader
from karyocyte.common.errors import UserError
from karyocyte.config.data import LoaderConfig
from lightning_modules.training.machine_faults import explained_faults


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


class Broken:
    def __len__(self):
        return 1

    def __getitem__(self, index):
        raise UserError("a.png is broken")


def test_an_error_of_a_process_is_its_message_alone():
    with pytest.raises(UserError, match=r"^a.png is broken$"):
        next(iter(WatchedLoader(Broken(), num_workers=1, timeout=60)))
