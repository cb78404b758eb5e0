"""Batches of pairs of homologues, as the network sees them."""

from typing import NamedTuple

import numpy as np
import torch

from common.config.schema import PairsConfig
from datamodules.homologues.changes import PARTNER, Changes, Originals, is_rearranged, make_changes
from datamodules.homologues.draws import Drawn, PairDraws, PairKeys, Pairs
from datamodules.homologues.segments import assemble
from datamodules.homologues.strips import Strips
from datamodules.transforms.batched_augmentation import BatchedAugmentation

TOKEN = 4  # rows of an image for which one place is told
MARGIN = 2  # rows above and below the longer chromosome of a pair, at least
NEAR = 3.0  # rows beside what is changed that still count as its place


class PairBatch(NamedTuple):
    """Pairs as the network sees them.

    Attributes:
        image: Both chromosomes, straightened, float32 in [0, 1], shape (B, 2, H, W).
        chromosome: Their class, index into CHROMOSOMES, int64, shape (B,).
        kind: What was done to one of them, index into KINDS, int64, shape (B,).
        changed: Which of them was changed, 0 or 1, int64, shape (B,).
        place: 1 for the rows, by fours, that are changed or that the other chromosome lacks, float32, (B, 2, H / 4).
        size: The rearranged share of the length, float32, shape (B,).
        arm_change: By which share of the length an inversion moves the centromere, float32, shape (B,).
    """

    image: torch.Tensor
    chromosome: torch.Tensor
    kind: torch.Tensor
    changed: torch.Tensor
    place: torch.Tensor
    size: torch.Tensor
    arm_change: torch.Tensor


class PairMaker:
    """Makes batches of pairs; a pair is a pure function of the seed and its key.

    Args:
        strips: All chromosomes of all cells, by manifest row.
        pairs: Those that are named by the keys.
        config: Shares and sizes.
        augmentation: Of training pairs.
        seed: The run's seed.
    """

    def __init__(
        self, strips: Strips, pairs: Pairs, config: PairsConfig, augmentation: BatchedAugmentation, seed: int
    ) -> None:
        self.strips = strips
        self.augmentation = augmentation
        self.draws = PairDraws(pairs, config, seed)
        self.chromosome = torch.tensor(pairs.chromosome)
        both = np.stack([pairs.first, pairs.second], axis=1)
        self.positions = strips.positions(torch.from_numpy(both))

    def to(self, device: torch.device) -> "PairMaker":
        """Move everything to a device, and return this."""
        if self.positions.device != device:
            self.strips = self.strips.to(device)
            self.draws = self.draws.to(device)
            self.positions = self.positions.to(device)
            self.chromosome = self.chromosome.to(device)
        return self

    def __call__(self, keys: PairKeys) -> PairBatch:
        """Return the pairs of some keys."""
        drawn = self.draws(keys)
        one, other, donor = self._originals(keys, drawn)
        change = make_changes(self.strips, Originals(one, other, donor), drawn.kind, drawn.size, drawn.numbers)
        normal = make_changes(
            self.strips, Originals(other, one, donor), drawn.other_kind, drawn.other_size, drawn.other_numbers
        )
        image, scale = self._image((change, normal), drawn.shift, keys, torch.stack([one, other], dim=1))
        place = _places(change, normal, scale, is_rearranged(drawn.kind), self.strips)
        image = torch.where(drawn.swap[:, None, None, None], image.flip(1), image)
        place = torch.where(drawn.swap[:, None, None], place.flip(1), place)
        chromosome = self.chromosome[torch.where(drawn.kind == PARTNER, drawn.partner, keys.pair)]
        return PairBatch(image, chromosome, drawn.kind, drawn.swap.long(), place, change.size, change.arm_change)

    def _originals(self, keys: PairKeys, drawn: Drawn) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the positions of the chromosome that is changed, of its homologue and of the donor."""
        pair, partner = self.positions[keys.pair], self.positions[drawn.partner]
        of_pair = torch.where(drawn.second_changed[:, None], pair.flip(1), pair)
        # Without another pair in the cell, the donor is the homologue.
        second_gives = torch.where(drawn.partner == keys.pair, ~drawn.second_changed, drawn.second_gives)
        of_partner = torch.where(second_gives[:, None], partner.flip(1), partner)
        is_partner = (drawn.kind == PARTNER)[:, None]
        changed = torch.where(is_partner, of_partner, of_pair)
        donors = torch.where(is_partner, of_pair, of_partner)
        return changed[:, 0], changed[:, 1], donors[:, 0]

    def _image(
        self, changes: tuple[Changes, Changes], shift: torch.Tensor, keys: PairKeys, positions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return both chromosomes (B, 2, H, W), augmented where they are for training, and by what they are scaled."""
        height = self.strips.pixels.shape[1]
        longer = torch.maximum(*(each.segments.length for each in changes))
        scale = ((height - 2 * MARGIN) / longer).clamp(max=1)
        parts = [
            assemble(self.strips, each.segments, scale, by) for each, by in zip(changes, shift.unbind(1), strict=True)
        ]
        image = torch.stack(parts, dim=1).flatten(0, 1)
        if bool((keys.variant < 0).all()):
            rows = positions.flatten()
            epoch = keys.epoch.repeat_interleave(2)
            image = self.augmentation((image * 255).round().to(torch.uint8), epoch, rows, torch.zeros_like(rows))
        return torch.unflatten(image, 0, (-1, 2)).squeeze(2), scale


def _places(
    change: Changes, normal: Changes, scale: torch.Tensor, abnormal: torch.Tensor, strips: Strips
) -> torch.Tensor:
    """Return where the changed chromosome and the other one differ, float32, shape (B, 2, H / TOKEN)."""
    height = strips.pixels.shape[1]
    ratio = normal.segments.length / (strips.length[change.segments.source[:, 0]])
    of_changed = _covered(change.start, change.stop, change.segments.length, scale, height)
    starts, stops = change.original_start * ratio, change.original_stop * ratio
    of_other = _covered(starts, stops, normal.segments.length, scale, height)
    return torch.stack([of_changed, of_other], dim=1) * abnormal[:, None, None]


def _covered(
    start: torch.Tensor, stop: torch.Tensor, length: torch.Tensor, scale: torch.Tensor, height: int
) -> torch.Tensor:
    """Return which tokens are in a stretch of chromosomes in the middle of their images, float32, (B, H / TOKEN)."""
    top = (height - length * scale) / 2
    middle = (torch.arange(height // TOKEN, device=start.device) + 0.5) * TOKEN
    first = (top + start * scale - NEAR)[:, None]
    last = (top + stop * scale + NEAR)[:, None]
    return ((middle >= first) & (middle <= last)).float()
