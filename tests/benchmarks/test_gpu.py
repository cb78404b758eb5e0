"""The clock of the benchmark on a GPU."""

import time

import pytest
import torch

from benchmarks.gpu import Clock
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
