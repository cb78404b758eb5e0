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

    A duplicated segment is in half of the cases that of the homologue, else the chromosome's own mirrored left to
    right, so that no copy is equal pixel by pixel. A translocation is one of the two that a reciprocal one leaves.

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
    upper_stop = torch.where(kind == DUPLICATION, stop, start)
    from_homologue = (kind == EXCHANGED) | ((kind == DUPLICATION) & (numbers[:, 3] < 0.5))
    ratio = strips.length[originals.homologue] / length
    source = torch.where(from_homologue, originals.homologue, originals.chromosome)
    middle_start = torch.where(from_homologue, start * ratio, start)
    middle_stop = torch.where(from_homologue, stop * ratio, stop)
    source = torch.where(kind == TRANSLOCATION, originals.donor, source)
    donor_start, donor_stop = _donor_end(strips, originals.donor, start <= 0, numbers)
    middle_start = torch.where(kind == TRANSLOCATION, donor_start, middle_start)
    middle_stop = torch.where(kind == TRANSLOCATION, donor_stop, middle_stop)
    middle_stop = torch.where((kind == DELETION) | (kind == TERMINAL), middle_start, middle_stop)
    zeros = torch.zeros_like(start)
    no = torch.zeros_like(kind, dtype=torch.bool)
    flipped = (kind == PARACENTRIC) | (kind == PERICENTRIC)
    mirrored = (kind == DUPLICATION) & ~from_homologue
    middle = middle_stop - middle_start
    seams = torch.stack([upper_stop, upper_stop + middle], dim=1)
    segments = Segments(
        source=torch.stack([originals.chromosome, source, originals.chromosome], dim=1),
        start=torch.stack([zeros, middle_start, stop], dim=1),
        stop=torch.stack([upper_stop, middle_stop, length], dim=1),
        flipped=torch.stack([no, flipped, no], dim=1),
        mirrored=torch.stack([no, mirrored, no], dim=1),
        seams=seams,
    )
    inverted = torch.where(kind == PERICENTRIC, (start + stop - 2 * centromere).abs() / length, zeros)
    share = torch.where(kind < NULLS, zeros, (stop - start) / length)
    return Changes(segments, share, start, upper_stop + middle, start, stop, inverted)


def draw_sizes(number: torch.Tensor, least: float, most: float) -> torch.Tensor:
    """Return shares of the length from ``least`` to ``most``, uniform as logarithms, of numbers from 0 to below 1."""
    return torch.exp(math.log(least) + number * math.log(most / least))


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
