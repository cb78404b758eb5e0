"""The end of the processes that load images."""

import multiprocessing
import os
import signal
import time
from multiprocessing.process import BaseProcess

import torch
from torch.utils.data import DataLoader

from lightning_modules.callbacks import ends_workers
from lightning_modules.callbacks.ends_workers import EndsWorkers
from tests import processes


def leave_stuck_processes():
    """End the processes of a loader, none of which a signal ends."""
    ends_workers.SECONDS = 0.5
    BaseProcess.kill = lambda process: None
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for _ in range(2):
        process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,), daemon=True)
        process.start()
        print(process.pid, flush=True)
    EndsWorkers().on_exception(None, None, RuntimeError())


def test_processes_that_no_signal_ends_keep_neither_the_training_nor_the_command(tmp_path):
    process = processes.start(tmp_path / "stuck", {}, leave_stuck_processes)
    try:
        assert processes.exit_code(process, seconds=60) == 0
    finally:
        stuck = [int(line) for line in (tmp_path / "stuck").read_text().splitlines()]
        for pid in stuck:
            os.kill(pid, signal.SIGKILL)  # it would fail were there none
    assert len(stuck) == 2


def test_killed_processes_of_a_loader_are_no_error_and_torch_hears_of_later_ones():
    for read in range(10):  # the error that torch would raise depends on the moment
        batches = iter(DataLoader(torch.zeros(1000), batch_size=4, num_workers=2))
        for _ in range(read):
            next(batches)
        handler = signal.getsignal(signal.SIGCHLD)
        EndsWorkers().on_exception(None, None, RuntimeError())
        assert multiprocessing.active_children() == []
        assert callable(handler)
        assert signal.getsignal(signal.SIGCHLD) is handler
