"""Rearrangements are what they are called, as large as wanted, and leave tips and centromere as they were."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from datamodules.homologues import changes
from datamodules.homologues.changes import (
    KINDS,
    NULLS,
    NUMBERS,
    TIP,
    Changes,
    Originals,
    draw_sizes,
    is_rearranged,
    make_changes,
)
from datamodules.homologues.segments import assemble
from datamodules.homologues.strips import Strips
from datamodules.transforms.counter_hash import uniform
from tests.datamodules.homologues.drawn_strips import HEIGHT, strips_of

COUNT = 400
STRIPS = strips_of([100, 110, 80])
TRANSLOCATIONS = (changes.TRANSLOCATION, changes.PARTNER)


def change(kind: int, size: float = 0.2, count: int = COUNT, seed: int = 0) -> Changes:
    """Change the first strip ``count`` times; the second is its homologue, the third another chromosome."""
    of = [torch.full((count,), number) for number in range(3)]
    numbers = uniform(torch.stack([torch.full((count,), seed), torch.arange(count)], dim=1), NUMBERS)
    kinds = torch.full((count,), kind)
    return make_changes(STRIPS, Originals(*of), kinds, torch.full((count,), size), numbers)


def rows_of(made: Changes, number: int) -> np.ndarray:
    """Return the gray values along the axis of a result: the numbers of the rows that it is made of."""
    image = assemble(STRIPS, made.segments, torch.ones(len(made.size)))[number, 0].numpy() * 255
    middle = image[:, image.shape[1] // 2]
    return middle[middle > 0.5]


@pytest.mark.parametrize("kind", range(len(KINDS)))
def test_lengths_follow_from_what_is_done(kind):
    made = change(kind)
    expected = {changes.DELETION: 80, changes.TERMINAL: 80, changes.DUPLICATION: 120}.get(kind, 100)
    if kind == changes.EXCHANGED_END:
        assert made.segments.length.numpy() == pytest.approx(expected, abs=changes.REACH + 0.1)
    elif kind not in TRANSLOCATIONS:
        assert made.segments.length.numpy() == pytest.approx(expected, abs=0.1)
    assert (made.size > 0).all() == is_rearranged(torch.tensor(kind))


def test_an_untouched_and_a_rejoined_chromosome_are_the_original():
    for kind in (changes.UNTOUCHED, changes.REJOINED):
        assert rows_of(change(kind), 3) == pytest.approx(np.arange(1, 101), abs=0.6)


def test_a_deletion_leaves_a_stretch_out():
    made = change(changes.DELETION)
    for number in range(10):
        rows = rows_of(made, number)
        start, stop = float(made.original_start[number]), float(made.original_stop[number])
        kept = np.array([row for row in np.arange(1, 101) if not start < row < stop])
        assert len(rows) == pytest.approx(len(kept), abs=1)
        jump = np.diff(rows).max()
        assert 3 < jump <= 21  # a blurred seam shares the jump among three steps


def test_an_inversion_reverses_a_stretch_and_nothing_else():
    made = change(changes.PARACENTRIC)
    for number in range(10):
        rows = rows_of(made, number)
        start, stop = round(float(made.start[number])), round(float(made.stop[number]))
        assert np.all(np.diff(rows[start + 3 : stop - 3]) < 0)
        assert rows[: start - 3] == pytest.approx(np.arange(1, start - 2), abs=0.6)
        assert rows[stop + 3 :] == pytest.approx(np.arange(stop + 4, 101), abs=0.6)


def test_a_duplication_repeats_a_stretch_beside_itself():
    made = change(changes.DUPLICATION)
    for number in range(10):
        rows = rows_of(made, number)
        start, stop = round(float(made.original_start[number])), round(float(made.original_stop[number]))
        first = rows[start + 3 : stop - 3]
        second = rows[start + 3 + stop - start : stop - 3 + stop - start]
        assert first == pytest.approx(second, rel=0.15, abs=2.5)


def test_a_translocation_brings_the_end_of_another_chromosome():
    made = change(changes.TRANSLOCATION)
    assert (made.segments.source[:, 1] == 2).all()
    ends = made.segments.ends
    long_arm = made.start > 0
    assert (ends[long_arm, 2] == ends[long_arm, 1]).all()  # what is brought is the end
    assert (made.segments.start[~long_arm, 1] == 0).all()
    brought = made.segments.stop[:, 1] - made.segments.start[:, 1]
    assert (brought >= 2 * TIP * 80 - 0.01).all()


def test_the_partner_of_a_translocation_has_the_end_that_it_lost():
    """What one chromosome loses is what the other one gains."""
    one, other, third = (torch.full((COUNT,), number) for number in range(3))
    numbers = uniform(torch.arange(COUNT)[:, None], NUMBERS)
    made, partner = (
        make_changes(STRIPS, Originals(*of), torch.full((COUNT,), kind), torch.full((COUNT,), 0.2), numbers)
        for kind, of in ((changes.TRANSLOCATION, (one, other, third)), (changes.PARTNER, (third, other, one)))
    )
    for mine, theirs in ((made, partner), (partner, made)):
        assert torch.equal(mine.segments.start[:, 1], theirs.original_start)
        assert torch.equal(mine.segments.stop[:, 1], theirs.original_stop)
    assert (made.segments.length + partner.segments.length).numpy() == pytest.approx(180, abs=0.1)


def test_only_an_untouched_chromosome_has_no_seams():
    for kind in range(len(KINDS)):
        seams = change(kind).segments.seams
        assert bool(seams.isnan().all()) == bool(seams.isnan().any()) == (kind == changes.UNTOUCHED)


@pytest.mark.parametrize("size", [0.05, 0.2, 0.5])
@pytest.mark.parametrize("kind", range(NULLS, changes.EXCHANGED_END))
def test_tips_and_the_centromere_stay(kind, size):
    made = change(kind, size)
    if kind not in TRANSLOCATIONS:
        assert (made.original_start >= 100 * TIP - 0.01).all()
        assert (made.original_stop <= 100 - 100 * TIP + 0.01).all()
    holds = (made.original_start < 40) & (made.original_stop > 40)
    assert holds.all() if kind == changes.PERICENTRIC else not holds.any()


def test_a_stretch_larger_than_both_arms_becomes_as_large_as_the_longer_one():
    made = change(changes.DELETION, size=0.9)
    assert made.size.numpy() == pytest.approx(0.53, abs=0.01)  # 0.6 less the tip and what is beside the centromere


def test_an_inversion_around_the_centromere_says_how_far_it_moves_it():
    made = change(changes.PERICENTRIC)
    after = made.start + made.stop - 40
    assert made.arm_change.numpy() == pytest.approx(((after - 40).abs() / 100).numpy(), abs=1e-5)
    assert (change(changes.PARACENTRIC).arm_change == 0).all()


def test_sizes_are_drawn_evenly_as_logarithms():
    sizes = draw_sizes(torch.linspace(0, 1, 1001), 0.05, 0.5)
    assert float(sizes.median()) == pytest.approx(np.sqrt(0.05 * 0.5), rel=0.01)
    assert (float(sizes[0]), float(sizes[-1])) == pytest.approx((0.05, 0.5))


@pytest.mark.parametrize("kind", [changes.DELETION, changes.PARACENTRIC, changes.TRANSLOCATION])
def test_the_edges_at_a_seam_have_one_width(kind):
    """Wedges, and a wide chromosome's end on a narrow one: the widths meet, without a step."""
    strips = wedges()
    of = [torch.tensor([number]) for number in range(3)]
    numbers = torch.full((1, NUMBERS), 0.5)
    made = make_changes(strips, Originals(*of), torch.tensor([kind]), torch.tensor([0.3]), numbers)
    image = assemble(strips, made.segments, torch.ones(1))[0, 0]
    widths = (image > 0.5 / 255).sum(1)
    widths = widths[widths > 0][2:-2].float()
    assert widths.diff().abs().max() <= 2
    assert widths.max() - widths.min() >= 4


def wedges() -> Strips:
    """Return two chromosomes that become wider from top to bottom, and a wide one."""
    strips = strips_of([100, 100, 100])
    half = torch.ones_like(strips.half_width)
    pixels = torch.zeros_like(strips.pixels)
    column = torch.arange(pixels.shape[2])
    for number, (top, bottom) in enumerate([(4, 10), (4, 10), (9, 9)]):
        half[number, :100] = torch.linspace(top, bottom, 100)
        inside = (column + 0.5 - pixels.shape[2] / 2).abs() < half[number, :, None]
        pixels[number, :100] = 200 * inside[:100].to(torch.uint8)
    return replace(strips, pixels=pixels, half_width=half)


@pytest.mark.parametrize("kind", TRANSLOCATIONS)
def test_the_tip_that_a_translocation_brings_is_sharp(kind):
    """No seam is blurred where there is nothing to be joined."""
    strips = replace(STRIPS, pixels=200 * (STRIPS.pixels > 0).to(torch.uint8))
    of = [torch.full((COUNT,), number) for number in range(3)]
    numbers = uniform(torch.arange(COUNT)[:, None], NUMBERS)
    made = make_changes(strips, Originals(*of), torch.full((COUNT,), kind), torch.full((COUNT,), 0.2), numbers)
    top = (HEIGHT - made.segments.length) / 2
    image = assemble(strips, made.segments, torch.ones(COUNT), (top.ceil() - top))[:, 0]
    middle = image[:, :, image.shape[2] // 2]
    first = top.ceil().long()[:, None]
    assert middle.gather(1, first + torch.arange(2)).min() > 0.99 * middle.max()
    assert middle.gather(1, first - 1).max() < 0.01


def test_a_rejoined_segment_is_sampled_anew():
    """As segments from elsewhere are, which lie between the rows: else its sharpness would tell a normal pair."""
    rejoined, untouched = change(changes.REJOINED), change(changes.UNTOUCHED)
    moved = [np.abs(rows_of(rejoined, number) - rows_of(untouched, number)).max() for number in range(20)]
    assert 0.3 < max(moved) <= 0.51


def test_homologues_exchange_an_end_with_one_seam():
    one, other, donor = (torch.full((40,), number) for number in range(3))
    numbers = uniform(torch.arange(40)[:, None], NUMBERS)
    kind, size = torch.full((40,), changes.EXCHANGED_END), torch.full((40,), 0.2)
    mine = make_changes(STRIPS, Originals(one, other, donor), kind, size, numbers)
    theirs = make_changes(STRIPS, Originals(other, one, donor), kind, size, numbers)
    assert (mine.segments.length + theirs.segments.length).numpy() == pytest.approx(210, abs=0.1)
    ends = torch.stack([mine.segments.seams, theirs.segments.seams])
    lengths = torch.stack([mine.segments.length, theirs.segments.length])[..., None]
    at_an_end = (ends.abs() < 0.01) | ((ends - lengths).abs() < 0.01)
    assert (at_an_end.sum(2) == 1).all()  # the other seam is within the chromosome
    upper = mine.segments.stop[:, 0] < 0.01
    assert 0 < upper.sum() < 40
    assert (mine.segments.source[:, 1] == 1).all()
    assert torch.allclose(mine.segments.stop[upper, 1], theirs.segments.start[upper, 2], atol=0.51)


def test_homologues_exchange_a_segment_both_ways():
    count = 20
    numbers = uniform(torch.arange(count)[:, None], NUMBERS)
    kind = torch.full((count,), changes.EXCHANGED)
    one, other, donor = (torch.full((count,), number) for number in range(3))
    size = torch.full((count,), 0.2)
    both = [
        make_changes(STRIPS, Originals(*of), kind, size, numbers) for of in ((one, other, donor), (other, one, donor))
    ]
    assert (both[0].segments.length + both[1].segments.length).numpy() == pytest.approx(210, abs=0.1)
    for mine, theirs in (both, both[::-1]):
        assert torch.allclose(mine.segments.stop[:, 0], theirs.segments.start[:, 1], atol=0.51)
        assert torch.allclose(mine.segments.start[:, 2], theirs.segments.stop[:, 1], atol=0.51)


def test_an_exchanged_segment_is_as_light_as_the_chromosome():
    lighter = replace(STRIPS, pixels=(STRIPS.pixels.float() * torch.tensor([1.0, 0.5, 1.0])[:, None, None]).byte())
    zero = torch.zeros(1, dtype=torch.int64)
    made = make_changes(
        lighter,
        Originals(zero, zero + 1, zero + 2),
        zero + changes.EXCHANGED,
        zero + 0.2,
        torch.full((1, NUMBERS), 0.5),
    )
    assert made.segments.gain[0].tolist() == pytest.approx([1, 2, 1], rel=0.15)


def test_an_exchanged_segment_is_as_wide_as_what_it_replaces():
    strips = strips_of([100, 100, 100], widths=[5, 9, 5])
    of = [torch.tensor([number]) for number in range(3)]
    kind = torch.tensor([changes.EXCHANGED])
    made = make_changes(strips, Originals(*of), kind, torch.tensor([0.3]), torch.full((1, NUMBERS), 0.5))
    widths = (assemble(strips, made.segments, torch.ones(1))[0, 0] > 0.5 / 255).sum(1)
    assert widths[widths > 0][2:-2].unique().tolist() == pytest.approx([10], abs=1)


def test_a_duplicated_segment_is_never_the_homologues():
    made = change(changes.DUPLICATION)
    assert (made.segments.source == 0).all()
    assert made.segments.mirrored[:, 1].all()
