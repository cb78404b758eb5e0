"""Rearrangements of straightened chromosomes, drawn for a batch, and cuts that leave a chromosome normal.

Every result has three segments: an upper one, a middle one and a lower one. What differs is where they are taken from.
"""

import math
from dataclasses import dataclass

import torch

from datamodules.homologues.segments import Segments
from datamodules.homologues.strips import Strips

# The order is part of what a number means. The first three leave a chromosome normal, as the last one does, which is
# never trained on: a control with one seam, as a deletion or a translocation has.
KINDS = (
    "untouched",
    "rejoined",
    "exchanged",
    "deletion",
    "terminal deletion",
    "duplication",
    "paracentric inversion",
    "pericentric inversion",
    "translocation",
    "translocation partner",
    "exchanged end",
)
NULLS = 3  # kinds of normal training pairs
UNTOUCHED, REJOINED, EXCHANGED = range(NULLS)
DELETION, TERMINAL, DUPLICATION, PARACENTRIC, PERICENTRIC, TRANSLOCATION, PARTNER = range(NULLS, 10)
EXCHANGED_END = 10
TIP = 0.05  # of the length: an end that is never cut, so that a chromosome's rounded ends remain
BESIDE = 0.02  # of the length: so far from the centromere is what is cut in one arm
WINDOW = 5  # rows above and below a cut by which homologues are matched that exchange a segment,
REACH = 5  # and so far from the same share of the length
MOST_GAIN = 2.0  # a homologue's segment is made as light as the chromosome by this factor at most
NUMBERS = 7  # drawn for each change


@dataclass(frozen=True)
class Originals:
    """What B changes are made of: positions of strips, int64, shape (B,).

    Attributes:
        chromosome: What is changed.
        homologue: The other chromosome of the pair.
        donor: Another chromosome of the cell, with which a translocation exchanges ends.
    """

    chromosome: torch.Tensor
    homologue: torch.Tensor
    donor: torch.Tensor


@dataclass(frozen=True)
class Changes:
    """What was done to B chromosomes; rows and shares are float32, shape (B,).

    Attributes:
        segments: The results.
        size: Share of the chromosome's length that is rearranged; 0 of a normal one.
        start: First row of the changed stretch in the result.
        stop: The row after its last; of a deletion equal to ``start``.
        original_start: First row of the changed stretch in the chromosome as it was.
        original_stop: The row after its last.
        arm_change: By which share of the length an inversion moves the centromere.
    """

    segments: Segments
    size: torch.Tensor
    start: torch.Tensor
    stop: torch.Tensor
    original_start: torch.Tensor
    original_stop: torch.Tensor
    arm_change: torch.Tensor


@dataclass(frozen=True)
class Stretch:
    """A stretch of B strips: their positions, first rows and the rows after the last, all of shape (B,)."""

    source: torch.Tensor
    start: torch.Tensor
    stop: torch.Tensor

    def brightness(self, strips: Strips) -> torch.Tensor:
        """Return the mean gray value, float32, at least 1, shape (B,)."""
        inside = self._inside(strips)
        area = 2 * (strips.half_width[self.source] * inside).sum(1)
        total = (strips.pixels[self.source].sum(2) * inside).sum(1)
        return (total / area.clamp(min=1)).clamp(min=1)

    def width(self, strips: Strips) -> torch.Tensor:
        """Return half the mean width in pixels, float32, at least 1, shape (B,)."""
        inside = self._inside(strips)
        return ((strips.half_width[self.source] * inside).sum(1) / inside.sum(1).clamp(min=1)).clamp(min=1)

    def _inside(self, strips: Strips) -> torch.Tensor:
        row = torch.arange(strips.pixels.shape[1], device=self.start.device)
        return (row >= self.start[:, None].floor()) & (row < self.stop[:, None])


def is_rearranged(kind: torch.Tensor) -> torch.Tensor:
    """Return which of some kinds, indices into ``KINDS``, are rearrangements, bool."""
    return (kind >= NULLS) & (kind < EXCHANGED_END)


def make_changes(
    strips: Strips, originals: Originals, kind: torch.Tensor, size: torch.Tensor, numbers: torch.Tensor
) -> Changes:
    """Rearrange chromosomes.

    A duplicated segment is mirrored left to right, so that no copy is equal pixel by pixel; it is not the homologue's,
    which is in the pair, too. A translocation and its partner are the two chromosomes that exchange their ends. A
    segment of the homologue is as light and as wide as what it replaces, and cut where both homologues look alike.

    Args:
        strips: All chromosomes.
        originals: What each change is made of; of a partner, ``donor`` is the chromosome of the translocation.
        kind: Index into ``KINDS``, int64, shape (B,).
        size: Wanted share of the length; smaller where an arm has not enough room, float32, shape (B,). Of a partner
            that of the translocation.
        numbers: From 0 to below 1, float32, shape (B, NUMBERS).
    """
    length = strips.length[originals.chromosome]
    centromere = strips.centromere[originals.chromosome]
    start, stop, donor_start, donor_stop = _cuts(strips, originals, kind, size, numbers)
    exchanged = (kind == EXCHANGED) | (kind == EXCHANGED_END)
    translocated = (kind == TRANSLOCATION) | (kind == PARTNER)
    own, of_homologue = _matched(strips, originals, torch.stack([start, stop], dim=1) / length[:, None])
    whole_end = kind == EXCHANGED_END
    own = _to_the_end(own, start <= 0, length, whole_end)
    of_homologue = _to_the_end(of_homologue, start <= 0, strips.length[originals.homologue], whole_end)
    start, stop = torch.where(exchanged, own.T, torch.stack([start, stop])).unbind()
    source = torch.where(exchanged, originals.homologue, originals.chromosome)
    source = torch.where(translocated, originals.donor, source)
    middle_start = torch.where(exchanged, of_homologue[:, 0], torch.where(translocated, donor_start, start))
    middle_stop = torch.where(exchanged, of_homologue[:, 1], torch.where(translocated, donor_stop, stop))
    # A segment is sampled between its rows, as the ends of a translocation are, which lie anywhere.
    between = torch.where(translocated | whole_end | (kind == UNTOUCHED), 0.0, numbers[:, 2] - 0.5)
    middle_start, middle_stop = middle_start + between, middle_stop + between
    middle_stop = torch.where((kind == DELETION) | (kind == TERMINAL), middle_start, middle_stop)
    upper_stop = torch.where(kind == DUPLICATION, stop, start)
    zeros = torch.zeros_like(start)
    no = torch.zeros_like(kind, dtype=torch.bool)
    flipped = (kind == PARACENTRIC) | (kind == PERICENTRIC)
    mirrored = kind == DUPLICATION
    middle = middle_stop - middle_start
    seams = torch.stack([upper_stop, upper_stop + middle], dim=1)
    replaced = Stretch(originals.chromosome, start, stop)
    replacement = Stretch(originals.homologue, middle_start, middle_stop)
    segments = Segments(
        source=torch.stack([originals.chromosome, source, originals.chromosome], dim=1),
        start=torch.stack([zeros, middle_start, stop], dim=1),
        stop=torch.stack([upper_stop, middle_stop, length], dim=1),
        flipped=torch.stack([no, flipped, no], dim=1),
        mirrored=torch.stack([no, mirrored, no], dim=1),
        seams=torch.where((kind == UNTOUCHED)[:, None], torch.nan, seams),
        gain=_of_middle(_gain(strips, originals.chromosome, source, exchanged, replaced, replacement)),
        widening=_of_middle(torch.where(exchanged, replaced.width(strips) / replacement.width(strips), 1.0)),
    )
    inverted = torch.where(kind == PERICENTRIC, (start + stop - 2 * centromere).abs() / length, zeros)
    size = torch.where(is_rearranged(kind), (stop - start) / length, zeros)
    return Changes(segments, size, start, upper_stop + middle, start, stop, inverted)


def draw_sizes(number: torch.Tensor, least: float, most: float) -> torch.Tensor:
    """Return shares of the length from ``least`` to ``most``, uniform as logarithms, of numbers from 0 to below 1."""
    return torch.exp(math.log(least) + number * math.log(most / least))


def _cuts(
    strips: Strips, originals: Originals, kind: torch.Tensor, size: torch.Tensor, numbers: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return first row and the row after the last of what is changed, and of the donor's end, float32, shape (B,)."""
    # A translocation is drawn as seen from its first chromosome; those of the partner are the same cuts.
    partner = kind == PARTNER
    first = torch.where(partner, originals.donor, originals.chromosome)
    second = torch.where(partner, originals.chromosome, originals.donor)
    length = strips.length[first]
    of_first = torch.where(partner, TRANSLOCATION, kind)
    start, stop = _stretch(length, strips.centromere[first], of_first, size * length, numbers)
    donor_start, donor_stop = _donor_end(strips, second, start <= 0, numbers)
    mine = torch.where(partner, torch.stack([donor_start, donor_stop]), torch.stack([start, stop]))
    theirs = torch.where(partner, torch.stack([start, stop]), torch.stack([donor_start, donor_stop]))
    return mine[0], mine[1], theirs[0], theirs[1]


def _matched(strips: Strips, originals: Originals, share: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Find which segments homologues exchange: from shares of the length (B, 2), and nearby where both look alike.

    Both segments have the same number of rows, so that no length changes; both directions of an exchange find the same.

    Returns:
        First row and the row after the last of the chromosome's and of the homologue's, float32, each of shape (B, 2).
    """
    first = torch.minimum(originals.chromosome, originals.homologue)
    second = torch.maximum(originals.chromosome, originals.homologue)
    lengths = strips.length[first], strips.length[second]
    rows = ((share[:, 1] - share[:, 0]) * torch.minimum(*lengths))[:, None]
    of_first, of_second = (share.mean(1, keepdim=True) * length[:, None] - rows / 2 for length in lengths)
    near = torch.arange(-WINDOW, WINDOW + 1, device=share.device)
    offsets = torch.arange(-REACH, REACH + 1, device=share.device)
    cost = torch.zeros(len(share), len(offsets), device=share.device)
    for cut in (0, rows):
        wanted = _gray(strips, first, (of_first + cut).round().long() + near)[:, None]
        candidates = (of_second + cut).round().long()[..., None] + offsets[:, None] + near
        cost += (_gray(strips, second, candidates) - wanted).abs().mean(2)
    of_second = (of_second + offsets[cost.argmin(1)][:, None]).clamp(min=0)
    of_second = torch.minimum(of_second, lengths[1][:, None] - rows)
    both = torch.cat([of_first, of_first + rows], dim=1), torch.cat([of_second, of_second + rows], dim=1)
    is_first = (originals.chromosome == first)[:, None]
    return torch.where(is_first, both[0], both[1]), torch.where(is_first, both[1], both[0])


def _to_the_end(rows: torch.Tensor, upper: torch.Tensor, length: torch.Tensor, whole_end: torch.Tensor) -> torch.Tensor:
    """Let segments, first and last rows (B, 2), reach the upper or the lower end of their chromosomes where asked."""
    start = torch.where(whole_end & upper, torch.zeros_like(length), rows[:, 0])
    stop = torch.where(whole_end & ~upper, length, rows[:, 1])
    return torch.stack([start, stop], dim=1)


def _gray(strips: Strips, source: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Return the mean gray value of rows (B, ...) of strips (B,), relative to that of the chromosome."""
    rows = rows.clamp(0, strips.pixels.shape[1] - 1)
    of_strip = source.reshape(-1, *[1] * (rows.ndim - 1))
    gray = strips.pixels[of_strip, rows].float().sum(-1) / (2 * strips.half_width[of_strip, rows])
    return gray / _brightness(strips, source).reshape(of_strip.shape)


def _brightness(strips: Strips, source: torch.Tensor) -> torch.Tensor:
    """Return the mean gray value of chromosomes (B,), float32, at least 1."""
    return Stretch(source, torch.zeros_like(strips.length[source]), strips.length[source]).brightness(strips)


def _gain(
    strips: Strips,
    chromosome: torch.Tensor,
    source: torch.Tensor,
    exchanged: torch.Tensor,
    replaced: Stretch,
    replacement: Stretch,
) -> torch.Tensor:
    """Return by what the gray values of what is put into chromosomes are multiplied, float32, shape (B,)."""
    of_segments = replaced.brightness(strips) / replacement.brightness(strips)
    of_chromosomes = _brightness(strips, chromosome) / _brightness(strips, source)
    return torch.where(exchanged, of_segments, of_chromosomes).clamp(1 / MOST_GAIN, MOST_GAIN)


def _of_middle(values: torch.Tensor) -> torch.Tensor:
    """Return the values (B,) for the middle one of three segments, 1 for the others, shape (B, 3)."""
    one = torch.ones_like(values)
    return torch.stack([one, values, one], dim=1)


def _stretch(
    length: torch.Tensor, centromere: torch.Tensor, kind: torch.Tensor, extent: torch.Tensor, numbers: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return first row and the row after the last of what is changed in each chromosome, float32, shape (B,)."""
    tip = TIP * length
    short_room = (centromere - BESIDE * length - tip).clamp(min=0)
    long_room = length - tip - centromere - BESIDE * length
    in_arm = torch.minimum(extent, torch.maximum(short_room, long_room))
    short_free = short_room - in_arm
    long_free = long_room - in_arm
    total = short_free.clamp(min=0) + long_free.clamp(min=0)
    in_short = (short_free >= 0) & ((numbers[:, 0] * total < short_free) | (long_free < 0))
    anywhere = torch.where(
        in_short, tip + numbers[:, 1] * short_free, length - tip - in_arm - numbers[:, 1] * long_free
    )
    terminal = torch.where(in_short, tip, length - tip - in_arm)
    around = _around_centromere(length, centromere, torch.minimum(extent, length - 2 * tip), numbers[:, 1])
    end = torch.where(in_short, torch.zeros_like(tip), length - in_arm - tip)
    start = anywhere
    start = torch.where(kind == TERMINAL, terminal, start)
    start = torch.where(kind == PERICENTRIC, around, start)
    to_the_end = (kind == TRANSLOCATION) | (kind == EXCHANGED_END)
    start = torch.where(to_the_end, end, start)
    span = torch.where(kind == PERICENTRIC, torch.minimum(extent, length - 2 * tip), in_arm)
    span = torch.where(to_the_end, in_arm + tip, span)
    return start, start + span


def _around_centromere(
    length: torch.Tensor, centromere: torch.Tensor, extent: torch.Tensor, number: torch.Tensor
) -> torch.Tensor:
    """Return the first row of a stretch with the centromere in it, float32, shape (B,)."""
    tip = TIP * length
    beside = BESIDE * length
    lowest = torch.maximum(tip, centromere + beside - extent)
    highest = torch.minimum(centromere - beside, length - tip - extent)
    highest = torch.maximum(lowest, highest)
    return torch.minimum(lowest + number * (highest - lowest), length - tip - extent)


def _donor_end(
    strips: Strips, donor: torch.Tensor, short: torch.Tensor, numbers: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return first row and the row after the last of an end of each donor without its centromere."""
    length = strips.length[donor]
    centromere = strips.centromere[donor]
    arm = torch.where(short, centromere, length - centromere) - BESIDE * length
    extent = torch.minimum(draw_sizes(numbers[:, 4], 2 * TIP, 0.5) * length, arm.clamp(min=1))
    start = torch.where(short, torch.zeros_like(length), length - extent)
    return start, start + extent
