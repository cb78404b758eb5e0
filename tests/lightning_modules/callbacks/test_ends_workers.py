"""The end of the processes that load images."""

import multiprocessing
import os
import signal
import subprocess
import sys

import torch
from torch.utils.data import DataLoader

from karyocyte.common.paths import ROOT
from lightning_modules.callbacks.ends_workers import EndsWorkers

STUCK = """
import multiprocessing, signal, time
from multiprocessing.process import BaseProcess
from lightning_modules.callbacks import ends_workers

ends_workers.SECONDS = 0.5
BaseProcess.kill = lambda process: None
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(2):
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,), daemon=True)
    process.start()
    print(process.pid)
ends_workers.EndsWorkers().on_exception(None, None, RuntimeError())
"""


def test_processes_that_no_signal_ends_keep_neither_the_training_nor_the_command():
    command = subprocess.Popen([sys.executable, "-c", STUCK], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        stuck = [int(command.stdout.readline()) for _ in range(2)]
        assert command.wait() == 0
    finally:
        for pid in stuck:
            os.kill(pid, signal.SIGKILL)  # it would fail were there none
        command.kill()


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
