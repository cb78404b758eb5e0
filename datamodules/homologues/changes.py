"""Rearrangements of straightened chromosomes, drawn for a batch, and cuts that leave a chromosome normal.

Every result has three segments: an upper one, a middle one and a lower one. What differs is where they are taken from.
"""

import math
from dataclasses import dataclass

import torch

from datamodules.homologues.segments import Segments
from datamodules.homologues.strips import Strips

# The order is part of what a number means. The first three leave a chromosome normal.
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
)
NULLS = 3
UNTOUCHED, REJOINED, EXCHANGED, DELETION, TERMINAL, DUPLICATION, PARACENTRIC, PERICENTRIC, TRANSLOCATION = range(9)
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
        donor: Another chromosome of the cell, of which a translocation brings an end.
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


def make_changes(
    strips: Strips, originals: Originals, kind: torch.Tensor, size: torch.Tensor, numbers: torch.Tensor
) -> Changes:
    """Rearrange chromosomes.

    A duplicated segment is mirrored left to right, so that no copy is equal pixel by pixel; it is not the homologue's,
    which is in the pair, too. A translocation is one of the two that a reciprocal one leaves. An exchanged segment is
    made as light as the chromosome on average, and cut where both homologues look alike.

    Args:
        strips: All chromosomes.
        originals: What each change is made of.
        kind: Index into ``KINDS``, int64, shape (B,).
        size: Wanted share of the length; smaller where an arm has not enough room, float32, shape (B,).
        numbers: From 0 to below 1, float32, shape (B, NUMBERS).
    """
    length = strips.length[originals.chromosome]
    centromere = strips.centromere[originals.chromosome]
    start, stop = _stretch(length, centromere, kind, size * length, numbers)
    exchanged = kind == EXCHANGED
    own, of_homologue = _matched(strips, originals, torch.stack([start, stop], dim=1) / length[:, None])
    start, stop = torch.where(exchanged, own.T, torch.stack([start, stop])).unbind()
    upper_stop = torch.where(kind == DUPLICATION, stop, start)
    source = torch.where(exchanged, originals.homologue, originals.chromosome)
    gain = _gain(strips, originals.chromosome, source)
    middle_start = torch.where(exchanged, of_homologue[:, 0], start)
    middle_stop = torch.where(exchanged, of_homologue[:, 1], stop)
    source = torch.where(kind == TRANSLOCATION, originals.donor, source)
    donor_start, donor_stop = _donor_end(strips, originals.donor, start <= 0, numbers)
    middle_start = torch.where(kind == TRANSLOCATION, donor_start, middle_start)
    middle_stop = torch.where(kind == TRANSLOCATION, donor_stop, middle_stop)
    middle_stop = torch.where((kind == DELETION) | (kind == TERMINAL), middle_start, middle_stop)
    zeros = torch.zeros_like(start)
    no = torch.zeros_like(kind, dtype=torch.bool)
    flipped = (kind == PARACENTRIC) | (kind == PERICENTRIC)
    mirrored = kind == DUPLICATION
    middle = middle_stop - middle_start
    seams = torch.stack([upper_stop, upper_stop + middle], dim=1)
    segments = Segments(
        source=torch.stack([originals.chromosome, source, originals.chromosome], dim=1),
        start=torch.stack([zeros, middle_start, stop], dim=1),
        stop=torch.stack([upper_stop, middle_stop, length], dim=1),
        flipped=torch.stack([no, flipped, no], dim=1),
        mirrored=torch.stack([no, mirrored, no], dim=1),
        seams=seams,
        gain=gain,
    )
    inverted = torch.where(kind == PERICENTRIC, (start + stop - 2 * centromere).abs() / length, zeros)
    size = torch.where(kind < NULLS, zeros, (stop - start) / length)
    return Changes(segments, size, start, upper_stop + middle, start, stop, inverted)


def draw_sizes(number: torch.Tensor, least: float, most: float) -> torch.Tensor:
    """Return shares of the length from ``least`` to ``most``, uniform as logarithms, of numbers from 0 to below 1."""
    return torch.exp(math.log(least) + number * math.log(most / least))


def _matched(strips: Strips, originals: Originals, share: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Find where homologues exchange a segment: at shares of the length (B, 2), and nearby where they look alike.

    Both directions of an exchange find the same rows.

    Returns:
        Rows of the chromosome and of its homologue, float32, each of shape (B, 2).
    """
    first = torch.minimum(originals.chromosome, originals.homologue)
    second = torch.maximum(originals.chromosome, originals.homologue)
    of_first = share * strips.length[first][:, None]
    of_second = share * strips.length[second][:, None]
    near = torch.arange(-WINDOW, WINDOW + 1, device=share.device)
    offsets = torch.arange(-REACH, REACH + 1, device=share.device)
    wanted = _gray(strips, first, of_first.round().long()[..., None] + near)[:, :, None]
    candidates = of_second.round().long()[..., None, None] + offsets[:, None] + near
    cost = (_gray(strips, second, candidates) - wanted).abs().mean(3)
    of_second = of_second + offsets[cost.argmin(2)]
    of_second[:, 1] = torch.maximum(of_second[:, 1], of_second[:, 0] + 1)
    is_first = (originals.chromosome == first)[:, None]
    return torch.where(is_first, of_first, of_second), torch.where(is_first, of_second, of_first)


def _gray(strips: Strips, source: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Return the mean gray value of rows (B, ...) of strips (B,), relative to that of the chromosome."""
    rows = rows.clamp(0, strips.pixels.shape[1] - 1)
    of_strip = source.reshape(-1, *[1] * (rows.ndim - 1))
    gray = strips.pixels[of_strip, rows].float().sum(-1) / (2 * strips.half_width[of_strip, rows])
    return gray / _brightness(strips, source).reshape(of_strip.shape)


def _brightness(strips: Strips, source: torch.Tensor) -> torch.Tensor:
    """Return the mean gray value of chromosomes (B,), float32, at least 1."""
    row = torch.arange(strips.pixels.shape[1], device=source.device)
    inside = row < strips.length[source][:, None]
    area = 2 * (strips.half_width[source] * inside).sum(1)
    return (strips.pixels[source].sum((1, 2)) / area.clamp(min=1)).clamp(min=1)


def _gain(strips: Strips, chromosome: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
    """Return by what the gray values of three segments are multiplied, float32, shape (B, 3)."""
    middle = (_brightness(strips, chromosome) / _brightness(strips, source)).clamp(1 / MOST_GAIN, MOST_GAIN)
    one = torch.ones_like(middle)
    return torch.stack([one, middle, one], dim=1)


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
    start = torch.where(kind == TRANSLOCATION, end, start)
    span = torch.where(kind == PERICENTRIC, torch.minimum(extent, length - 2 * tip), in_arm)
    span = torch.where(kind == TRANSLOCATION, in_arm + tip, span)
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
