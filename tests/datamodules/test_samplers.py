"""The order is a pure function of (seed, epoch), whole over the processes, and can start at any batch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules.samplers import EpochBatchSampler
from karyocyte.config.distributed import World


def batches(length, size, epoch=0, first=0, seed=0, **more):
    return list(EpochBatchSampler(length, size, seed, lambda: (epoch, first), **more))


def items(found):
    return [item for batch in found for _, item in batch]


@given(length=st.integers(1, 60), size=st.integers(1, 9), epoch=st.integers(0, 9))
def test_every_item_comes_once_and_carries_its_epoch(length, size, epoch):
    found = batches(length, size, epoch)
    left_out = length % size == 1 and length > size > 1  # a last batch of one image, which BatchNorm cannot take
    assert len(set(items(found))) == len(items(found)) == length - left_out
    assert set(items(found)) <= set(range(length))
    assert {e for batch in found for e, _ in batch} == {epoch}
    assert len(found) == len(EpochBatchSampler(length, size, 0, lambda: (0, 0)))


@given(length=st.integers(2, 60), size=st.integers(1, 9), first=st.integers(0, 8))
def test_starting_in_mid_epoch_gives_the_rest_of_the_same_order(length, size, first):
    assert batches(length, size, 3, first) == batches(length, size, 3)[first:]


@given(size=st.integers(1, 5), world=st.integers(1, 4), weighted=st.booleans(), data=st.data())
def test_processes_share_the_global_batches_of_one_process(size, world, weighted, data):
    length = data.draw(st.integers(2 * world, 60))
    weights = np.linspace(1, 2, length) if weighted else None
    whole = batches(length, size * world, weights=weights)
    shares = [batches(length, size, world=World(world, rank), weights=weights) for rank in range(world)]
    assert len({len(share) for share in shares}) == 1  # an uneven end would hang the others
    rest = length % (size * world)
    waits = 0 < rest < 2 * world and length > size * world  # it cannot give two images to each
    assert len(shares[0]) == len(whole) - (waits and rest > 1) or world == 1
    for number in range(len(shares[0])):
        each = [len(share[number]) for share in shares]
        assert max(each) - min(each) <= 1
        assert min(each) >= min(2, size)
        assert sorted(item for share in shares for item in share[number]) == sorted(whole[number])


def test_weights_draw_with_replacement_and_in_proportion():
    weights = np.array([0.0, 1.0, 3.0])
    drawn = [item for epoch in range(400) for item in items(batches(3, 3, epoch=epoch, weights=weights))]
    counts = np.bincount(drawn, minlength=3)
    assert counts[0] == 0
    assert counts[2] / counts[1] == pytest.approx(3.0, rel=0.2)


@pytest.mark.parametrize(
    ("length", "batch_size", "world"), [(30, 4, 1), (33, 4, 1), (1, 4, 1), (30, 4, 2), (31, 8, 3), (29, 4, 2)]
)
def test_the_sizes_of_the_batches_are_known_before(length, batch_size, world):
    worlds = [World(world, rank) for rank in range(world)]
    ranks = [list(EpochBatchSampler(length, batch_size, 0, lambda: (0, 0), None, one)) for one in worlds]
    served = [sum(len(batches[number]) for batches in ranks) for number in range(len(ranks[0]))]
    assert EpochBatchSampler(length, batch_size, 0, lambda: (0, 0), world=World(world)).sizes() == served
