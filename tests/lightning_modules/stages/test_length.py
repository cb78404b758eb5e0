"""How long a stage is: epochs, optimiser steps, and a budget of images."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.config.schema import TrainerConfig
from common.errors import UserError
from lightning_modules.stages.length import StageLength, batch_sizes, stage_length
from tests.lightning_modules.memory_data import MemoryData

EPOCH = [4] * 7 + [2]


def length(images=None, accumulate=1, epochs=2, sizes=EPOCH):
    config = TrainerConfig(max_images=images, accumulate_grad_batches=accumulate)
    return stage_length(sizes, epochs, config)


def test_without_a_budget_it_is_that_of_the_epochs():
    assert length() == StageLength(2, 16)
    assert length(accumulate=3) == StageLength(2, 6)  # an epoch's last two batches make a step of their own


@pytest.mark.parametrize(
    ("images", "accumulate", "expected"),
    [
        (1, 1, StageLength(1, 1)),
        (4, 1, StageLength(1, 1)),
        (5, 1, StageLength(1, 2)),
        (29, 1, StageLength(1, 8)),
        (30, 1, StageLength(1, 8)),
        (31, 1, StageLength(2, 9)),
        (75, 1, StageLength(3, 20)),
        (75, 3, StageLength(3, 8)),
        (1, 3, StageLength(1, 1)),
        (13, 3, StageLength(1, 2)),
    ],
)
def test_a_budget_is_rounded_up_to_a_whole_step_and_overrules_the_epochs(images, accumulate, expected):
    assert length(images, accumulate) == expected


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(1, 200), st.integers(1, 5))
def test_it_ends_with_the_first_step_that_reaches_the_budget(sizes, images, accumulate):
    seen, steps, epochs = 0, 0, 0
    while seen < images:  # batch by batch, as a loop trains
        epochs += 1
        for number, size in enumerate(sizes, start=1):
            seen += size
            if number % accumulate == 0 or number == len(sizes):
                steps += 1
                if seen >= images:
                    break
    assert length(images, accumulate, sizes=sizes) == StageLength(epochs, steps)


def test_the_batches_of_an_epoch_may_be_limited():
    loader = MemoryData(count=30).train_dataloader()
    assert batch_sizes(loader, None) == EPOCH
    assert batch_sizes(loader, 3) == [4, 4, 4]
    assert batch_sizes(loader, 0.5) == [4] * 4
    assert batch_sizes(loader, 99) == EPOCH
    with pytest.raises(UserError, match="limit_train_batches=0.1 of 8 leaves no batch"):
        batch_sizes(loader, 0.1)
