"""The clock of the benchmark on a GPU."""

import time
from types import SimpleNamespace

import pytest
import torch

from benchmarks.gpu import Clock, TimedSteps
from karyocyte.common.errors import UserError


def test_the_first_batches_are_not_counted():
    clock = Clock(torch.device("cpu"), warm_up=2)
    with pytest.raises(UserError, match="the first 2 batches are not counted"):
        clock.rate()
    for _ in range(2):
        clock.count(1000)
    for _ in range(3):
        time.sleep(0.01)
        clock.count(10)
    assert clock.images == 30
    assert clock.rate() <= 30 / 0.03
    assert clock.start > clock.made


def test_the_last_batch_stops_the_clock_before_the_validation():
    clock = Clock(torch.device("cpu"), warm_up=1)
    steps, trainer = TimedSteps(clock), SimpleNamespace(num_training_batches=3)
    for batch in range(3):
        steps.on_train_batch_end(trainer, None, None, {"label": torch.zeros(4)}, batch)
        assert (clock.end > 0) == (batch == 2)
