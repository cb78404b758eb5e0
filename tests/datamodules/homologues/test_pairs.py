"""Pairs are functions of their keys, and what they say of themselves is true."""

import numpy as np
import pytest
import torch

from common.config.compose import typed_section
from common.config.data import TransformConfig
from common.config.defaults import group_defaults, layered_value
from common.config.schema import PairsConfig
from datamodules.homologues.changes import KINDS, NULLS
from datamodules.homologues.pairs import PairKeys, PairMaker, Pairs
from datamodules.transforms.batched_augmentation import BatchedAugmentation
from tests.datamodules.homologues.drawn_strips import HEIGHT, strips_of

CELLS = 6
CONFIG = typed_section(PairsConfig, layered_value("pairs", ()), {}, "pairs")


@pytest.fixture(scope="module")
def maker() -> PairMaker:
    """Six cells of chromosomes 1, 1, 2, 2 and X."""
    strips = strips_of([120, 118, 100, 104, 90] * CELLS)
    cells = np.repeat(np.arange(CELLS), 5)
    labels = np.tile(np.array(["1", "1", "2", "2", "X"], object), CELLS)
    transform = typed_section(TransformConfig, group_defaults("transform", "none"), {"batched": True}, "transform")
    return PairMaker(strips, Pairs.of(labels, cells), cells, CONFIG, BatchedAugmentation(transform, 0), seed=0)


def keys(count: int, variant: int, epoch: int = 0) -> PairKeys:
    pair = torch.arange(count) % (2 * CELLS)
    same = torch.zeros(count, dtype=torch.int64)
    return PairKeys(same + epoch, torch.arange(count), pair, same + variant, torch.arange(count) // (2 * CELLS))


def test_only_classes_with_two_chromosomes_make_a_pair():
    pairs = Pairs.of(np.array(["1", "1", "2", "X", "21", "21", "21"], object), np.zeros(7, np.int64))
    assert (pairs.first.tolist(), pairs.second.tolist(), pairs.chromosome.tolist()) == ([0], [1], [0])


def test_a_pair_depends_on_its_key_alone(maker):
    whole = maker(keys(48, variant=-1, epoch=3))
    reversed_keys = PairKeys(*(values.flip(0) for values in keys(48, variant=-1, epoch=3)))
    other = maker(reversed_keys)
    for name, values in whole._asdict().items():
        assert torch.equal(values, getattr(other, name).flip(0)), name
    assert not torch.equal(whole.image, maker(keys(48, variant=-1, epoch=4)).image)


def test_half_of_the_drawn_pairs_are_abnormal_and_every_kind_occurs(maker):
    kinds = torch.cat([maker(keys(240, variant=-1, epoch=epoch)).kind for epoch in range(8)])
    assert float((kinds >= NULLS).float().mean()) == pytest.approx(0.5, abs=0.04)
    assert kinds.unique().tolist() == list(range(len(KINDS)))


def test_either_chromosome_may_be_the_changed_one(maker):
    made = maker(keys(240, variant=KINDS.index("deletion")))
    assert 0.35 < float(made.changed.float().mean()) < 0.65
    lengths = (made.image.amax(3) > 0).sum(2)
    deleted = lengths.gather(1, made.changed[:, None])[:, 0]
    other = lengths.gather(1, 1 - made.changed[:, None])[:, 0]
    assert float((deleted < other).float().mean()) > 0.95


def test_normal_pairs_have_no_place_and_abnormal_ones_have_one_on_both(maker):
    for kind in range(len(KINDS)):
        made = maker(keys(60, variant=kind))
        assert made.place.shape == (60, 2, HEIGHT // 4)
        has_place = made.place.amax(2) > 0
        assert bool(has_place.all()) == (kind >= NULLS)
        assert bool(has_place.any()) == (kind >= NULLS)


def test_the_place_of_a_deletion_is_what_the_other_chromosome_has_more(maker):
    made = maker(keys(60, variant=KINDS.index("deletion")))
    rows = made.place.sum(2)
    changed = rows.gather(1, made.changed[:, None])[:, 0]
    other = rows.gather(1, 1 - made.changed[:, None])[:, 0]
    assert (changed <= 3).all()
    assert float(other.mean()) > 3
    assert torch.corrcoef(torch.stack([other, made.size]))[0, 1] > 0.9


def test_a_pair_too_long_for_its_image_is_reduced_as_a_whole(maker):
    strips = strips_of([150, 150])
    pairs = Pairs(np.array([0]), np.array([1]), np.array([0]), np.array([0]))
    one = PairMaker(strips, pairs, np.zeros(2, np.int64), CONFIG, maker.augmentation, seed=0)
    key = PairKeys(*(torch.tensor([value]) for value in (0, 0, 0, KINDS.index("duplication"), 0)))
    image = one(key).image[0]
    rows = (image.amax(2) > 0).sum(1).sort().values
    assert rows[1] <= HEIGHT - 2
    assert rows[0] < 150


def test_a_donor_is_another_chromosome_of_the_same_cell(maker):
    pair = torch.arange(2 * CELLS).repeat(20)
    number = torch.linspace(0, 0.999, len(pair))
    one, other = maker.first[pair], maker.second[pair]
    donor = maker._donors(pair, number, one, other)
    assert torch.equal(donor // 5, one // 5)
    assert not ((donor == one) | (donor == other)).any()


def test_homologues_that_exchange_a_segment_have_no_segment_in_common(maker):
    made = maker(keys(24, variant=KINDS.index("exchanged")))
    untouched = maker(keys(24, variant=KINDS.index("untouched")))
    lengths, as_before = (((each.image.amax(3) > 0).sum(2)).sum(1).float() for each in (made, untouched))
    assert float((lengths - as_before).abs().max()) <= 3
