"""A loader that delivers nothing, and the end of the processes that load images."""

import multiprocessing
import os
import signal
import time
from multiprocessing.process import BaseProcess

import pytest
import torch
from pytorch_lightning import Callback
from torch.utils.data import DataLoader

from karyocyte.common.errors import UserError
from lightning_modules.callbacks import loaders
from lightning_modules.callbacks.loaders import EndsWorkers
from lightning_modules.training.trainer import build_trainer
from tests import processes
from tests.helpers.training import small_config
from tests.lightning_modules.tiny import Items, MemoryData, build, train

LOADERS = [("training", "train_dataloader"), ("validation", "val_dataloader"), ("predicted", "predict_dataloader")]
TINY = ["model=resnet18", "model.cut=layer1", "unfreeze=head_only"]


def leave_stuck_processes():
    """End the processes of a loader, none of which a signal ends."""
    loaders.SECONDS = 0.5
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
        assert processes.exit_code(process, seconds=300) == 0  # the stuck ones last for 600
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


class Stuck(Items):
    """Images of which one is never there."""

    def __getitem__(self, key):
        if key in (16, (0, 16)):
            time.sleep(600)
        return super().__getitem__(key)


def use_loaders(part, config, run):
    if part == "predicted":
        build_trainer(config).predict(build(config), MemoryData())
    else:
        train(config, run)


@pytest.mark.parametrize(("part", "loader"), LOADERS)
@pytest.mark.parametrize("workers", [0, 1])
def test_a_loader_that_delivers_no_batch_ends_the_training_with_its_name(tmp_path, monkeypatch, part, loader, workers):
    whole = getattr(MemoryData, loader)

    def stuck(data):
        return DataLoader(Stuck(data.images), batch_sampler=whole(data).batch_sampler, num_workers=workers)

    monkeypatch.setattr(MemoryData, loader, stuck)
    # The others may take longer, as on a machine that is busy.
    monkeypatch.setattr(loaders, "LOADERS", {name: each for name, each in loaders.LOADERS.items() if each == part})
    handler = signal.getsignal(signal.SIGALRM)
    words = f"the loader of {part} images delivered no batch for 0.5 s: .*loader.timeout=1 "
    config = small_config(tmp_path, *TINY, "loader.timeout=0.5")
    with pytest.raises(UserError, match=words):
        use_loaders(part, config, tmp_path / "run")
    assert signal.getsignal(signal.SIGALRM) is handler
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("timeout", ["600", "null"])
def test_a_step_may_take_longer_than_a_batch_since_no_alarm_is_set_then(tmp_path, timeout):
    left = []
    note = Callback()
    note.on_train_batch_end = lambda *_: left.append(signal.getitimer(signal.ITIMER_REAL))
    overrides = [*TINY, "trainer.max_epochs=1", f"loader.timeout={timeout}"]
    train(small_config(tmp_path, *overrides), tmp_path / "run", note)
    assert left == [(0, 0)] * 8
