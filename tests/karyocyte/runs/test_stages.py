"""The plan of the stages: rates, what trains, and length in epochs, optimiser steps or images."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karyocyte.common.errors import UserError
from karyocyte.config.schema import TrainerConfig
from karyocyte.runs.stages import batch_sizes, stage_length, stages_of, warnings_of_stages
from tests.helpers.training import small_config
from tests.lightning_modules.tiny import MemoryData, build

EPOCH = [4] * 7 + [2]
NET = ["model=resnet18", "model.cut=layer2"]


def length(images=None, accumulate=1, epochs=2, sizes=EPOCH):
    return stage_length(sizes, epochs, TrainerConfig(max_images=images, accumulate_grad_batches=accumulate))


@pytest.mark.parametrize(("accumulate", "steps"), [(1, 16), (3, 6), (len(EPOCH), 2)])
def test_without_a_budget_the_epochs_count_in_steps_of_which_the_last_of_each_may_be_small(accumulate, steps):
    assert length(accumulate=accumulate) == (2, steps)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(1, 200), st.integers(1, 5))
def test_a_stage_ends_with_the_first_step_that_reaches_the_budget_whatever_its_epochs(sizes, images, accumulate):
    accumulate = min(accumulate, len(sizes))
    seen, steps, epochs = 0, 0, 0
    while seen < images:  # batch by batch, as a loop trains
        epochs += 1
        for number, size in enumerate(sizes, start=1):
            seen += size
            if number % accumulate == 0 or number == len(sizes):
                steps += 1
                if seen >= images:
                    break
    assert length(images, accumulate, sizes=sizes) == (epochs, steps)


@pytest.mark.parametrize(("limit", "sizes"), [(None, EPOCH), (1, [4]), (3, [4, 4, 4]), (0.5, [4] * 4), (99, EPOCH)])
def test_the_batches_of_an_epoch_may_be_limited(limit, sizes):
    assert batch_sizes(MemoryData(count=30).train_dataloader(), limit) == sizes


def test_one_rate_for_all_stages_and_a_bound_on_their_length(tmp_path):
    more = ["unfreeze.stages.head.max_epochs=1", "unfreeze.stages.finetune.head_lr=0.05", "trainer.max_epochs=2"]
    stages = stages_of(small_config(tmp_path, *NET, *more, "unfreeze.lr=0.02")).values()
    assert [(stage.lr, stage.head_lr, stage.max_epochs) for stage in stages] == [(0.02, None, 1), (0.02, None, 2)]
    assert list(stages_of(small_config(tmp_path, *NET, *more)).values())[1].head_lr == 0.05


def test_what_the_last_stage_trains_can_be_overridden_without_modules_the_head_at_its_rate(tmp_path):
    stages = stages_of(small_config(tmp_path, *NET, "unfreeze.train=[layer2]"))
    assert [stage.train for stage in stages.values()] == [(), ("layer2",)]
    config = small_config(tmp_path, *NET, "unfreeze=own_images", "unfreeze.train=[]")
    assert list(stages_of(config).values())[-1].head_lr is None
    with pytest.raises(UserError, match="layer9"):
        build(small_config(tmp_path, *NET, "unfreeze=head_only", "unfreeze.train=[layer9]"))


@pytest.mark.parametrize(
    ("words", "warned"),
    [
        (["unfreeze=own_images"], True),
        (["unfreeze=own_images", "unfreeze.train=[all]"], False),
        (["unfreeze=whole"], False),
        (["unfreeze=head_only"], False),  # as typed
        (["unfreeze=own_images", "init_from=models/chromosomes"], False),
    ],
)
def test_random_weights_that_no_stage_trains_are_warned_of(tmp_path, words, warned):
    config = small_config(tmp_path, *NET, "weights=random", *words)
    assert bool(warnings_of_stages(config)) == warned


def test_a_step_of_more_batches_than_an_epoch_has_is_refused_with_their_number():
    with pytest.raises(UserError, match=r"accumulate_grad_batches=8 or less"):
        length(accumulate=len(EPOCH) + 1)
