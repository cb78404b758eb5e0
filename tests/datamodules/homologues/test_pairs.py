"""Pairs are functions of their keys, and what they say of themselves is true."""

import numpy as np
import pytest
import torch

from common.config.compose import typed_section
from common.config.data import TransformConfig
from common.config.defaults import group_defaults, layered_value
from common.config.schema import PairsConfig
from datamodules.homologues.changes import EXCHANGED_END, KINDS, NULLS
from datamodules.homologues.draws import PairKeys, Pairs
from datamodules.homologues.pairs import PairMaker
from datamodules.transforms.batched_augmentation import BatchedAugmentation
from tests.datamodules.homologues.drawn_strips import HEIGHT, strips_of

CELLS = 6
CONFIG = typed_section(PairsConfig, layered_value("pairs", ()), {}, "pairs")


@pytest.fixture(scope="module")
def maker() -> PairMaker:
    """Six cells of three cases, of chromosomes 1, 1, 2, 2 and X."""
    strips = strips_of([120, 118, 100, 104, 90] * CELLS)
    cells = np.repeat(np.arange(CELLS), 5)
    labels = np.tile(np.array(["1", "1", "2", "2", "X"], object), CELLS)
    transform = typed_section(TransformConfig, group_defaults("transform", "none"), {"batched": True}, "transform")
    return PairMaker(strips, Pairs.of(labels, cells, cells // 2), CONFIG, BatchedAugmentation(transform, 0), seed=0)


def keys(count: int, variant: int, epoch: int = 0) -> PairKeys:
    pair = torch.arange(count) % (2 * CELLS)
    same = torch.zeros(count, dtype=torch.int64)
    turn = torch.arange(count) // (2 * CELLS)
    return PairKeys(same + 100 * epoch + turn, torch.arange(count), pair, same + variant)


def test_only_classes_with_two_chromosomes_make_a_pair():
    pairs = Pairs.of(np.array(["1", "1", "2", "X", "21", "21", "21"], object), *[np.zeros(7, np.int64)] * 2)
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
    # The partner of a translocation is one as well, and an exchanged end is for tests alone.
    assert kinds.unique().tolist() == list(range(len(KINDS) - 2))


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
        assert bool(has_place.all()) == (NULLS <= kind < EXCHANGED_END)
        assert bool(has_place.any()) == (NULLS <= kind < EXCHANGED_END)


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
    zero = np.array([0])
    one = PairMaker(strips, Pairs(zero, zero + 1, zero, zero, zero), CONFIG, maker.augmentation, seed=0)
    key = PairKeys(*(torch.tensor([value]) for value in (0, 0, 0, KINDS.index("duplication"))))
    image = one(key).image[0]
    rows = (image.amax(2) > 0).sum(1).sort().values
    assert rows[1] <= HEIGHT - 2
    assert rows[0] < 150


def test_a_donor_is_of_another_pair_of_the_same_cell(maker):
    drawn_keys = keys(240, variant=-1)
    drawn = maker.draws(drawn_keys)
    one, other, donor = maker._originals(drawn_keys, drawn)
    assert torch.equal(donor // 5, one // 5)
    assert not ((donor == one) | (donor == other) | (donor % 5 == 4)).any()


def test_a_translocation_and_its_partner_exchange_their_ends(maker):
    one, other = (
        maker.draws(keys(2 * CELLS, variant=KINDS.index(kind))) for kind in ("translocation", "translocation partner")
    )
    assert torch.equal(one.partner, other.partner)
    first, second = (
        maker(keys(2 * CELLS, variant=KINDS.index(kind))) for kind in ("translocation", "translocation partner")
    )
    assert torch.equal(first.chromosome, 1 - second.chromosome)


def test_all_cells_of_a_case_have_one_rearrangement(maker):
    """Cells 0 and 1 are of one case, cell 2 of another; every cell has two pairs."""
    for kind in ("deletion", "translocation"):
        drawn = maker.draws(keys(2 * CELLS, variant=KINDS.index(kind)))
        assert torch.equal(drawn.numbers[0:2], drawn.numbers[2:4])
        assert torch.equal(drawn.size[0:2], drawn.size[2:4])
        assert not torch.equal(drawn.numbers[0:2], drawn.numbers[4:6])
    training = maker.draws(keys(2 * CELLS, variant=-1))
    assert not torch.equal(training.numbers[0:2], training.numbers[2:4])


def test_which_homologue_has_the_rearrangement_differs_among_the_cells_of_a_case(maker):
    drawn = maker.draws(keys(40 * CELLS, variant=KINDS.index("deletion")))
    assert 0.3 < float((drawn.second_changed[0::4] == drawn.second_changed[2::4]).float().mean()) < 0.7


def test_homologues_that_exchange_a_segment_have_no_segment_in_common(maker):
    made = maker(keys(24, variant=KINDS.index("exchanged")))
    untouched = maker(keys(24, variant=KINDS.index("untouched")))
    lengths, as_before = (((each.image.amax(3) > 0).sum(2)).sum(1).float() for each in (made, untouched))
    assert float((lengths - as_before).abs().max()) <= 3
