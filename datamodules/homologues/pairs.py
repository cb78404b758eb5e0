"""The pairs of homologues of cells, and what a batch of them is made of."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from common.config.schema import PairsConfig
from common.karyotype import CHROMOSOMES
from common.seeds import derive_seed
from datamodules.homologues.changes import (
    EXCHANGED,
    NULLS,
    NUMBERS,
    UNTOUCHED,
    Changes,
    Originals,
    draw_sizes,
    make_changes,
)
from datamodules.homologues.segments import assemble
from datamodules.homologues.strips import Strips
from datamodules.transforms.batched_augmentation import BatchedAugmentation
from datamodules.transforms.counter_hash import uniform

TOKEN = 4  # rows of an image for which one place is told
MARGIN = 2  # rows above and below the longer chromosome of a pair, at least
NEAR = 3.0  # rows beside what is changed that still count as its place
# Of the training pairs, in parts: how often each kind is drawn among normal and among abnormal ones.
NORMAL_PARTS = (2, 1, 1)
OTHER_PARTS = (2, 1)  # likewise of the other chromosome, which is exchanged with the first or not at all
ABNORMAL_PARTS = (2, 1, 3, 3, 1, 2)
FURTHER = 7  # numbers drawn for each pair beside those of both changes


@dataclass(frozen=True)
class Pairs:
    """Pairs of homologues, each of a normal cell as far as is known; int64 arrays of one length.

    Attributes:
        first: Manifest row of one chromosome.
        second: Manifest row of the other.
        chromosome: Their class, index into CHROMOSOMES.
        cell: Number of their cell.
    """

    first: np.ndarray
    second: np.ndarray
    chromosome: np.ndarray
    cell: np.ndarray

    @classmethod
    def of(cls, labels: np.ndarray, cells: np.ndarray) -> "Pairs":
        """Return the classes that have exactly two chromosomes in a cell.

        Args:
            labels: Class names of all manifest rows.
            cells: The number of the cell of each.
        """
        frame = pd.DataFrame({"cell": cells, "label": labels, "row": np.arange(len(labels))})
        by_class = frame.groupby(["cell", "label"])["row"].agg(["first", "last", "size"]).reset_index()
        pairs = by_class[by_class["size"] == 2]
        columns = (pairs["first"], pairs["last"], pairs["label"].map(CHROMOSOMES.index), pairs["cell"])
        return cls(*(column.to_numpy(np.int64) for column in columns))


class PairKeys(NamedTuple):
    """What determines the pairs of a batch, each int64, shape (B,).

    ``variant`` is an index into KINDS, or -1: drawn, and the chromosomes are augmented.
    """

    epoch: torch.Tensor
    item: torch.Tensor
    pair: torch.Tensor
    variant: torch.Tensor
    draw: torch.Tensor

    @classmethod
    def collate(cls, keys: list[tuple[int, ...]]) -> "PairKeys":
        """Make a batch of the keys of single pairs."""
        return cls(*torch.tensor(keys).T.contiguous())


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
        cells: The number of the cell of each strip, int64.
        config: Shares and sizes.
        augmentation: Of training pairs.
        seed: The run's seed.
    """

    def __init__(
        self,
        strips: Strips,
        pairs: Pairs,
        cells: np.ndarray,
        config: PairsConfig,
        augmentation: BatchedAugmentation,
        seed: int,
    ) -> None:
        self.strips = strips
        self.config = config
        self.augmentation = augmentation
        self.seed = derive_seed("pairs", seed)
        self.first = strips.positions(torch.from_numpy(pairs.first))
        self.second = strips.positions(torch.from_numpy(pairs.second))
        self.chromosome = torch.from_numpy(pairs.chromosome)
        self.cell = torch.from_numpy(pairs.cell)
        self.members, self.counts = _by_cell(cells)

    def to(self, device: torch.device) -> "PairMaker":
        """Move everything to a device, and return this."""
        if self.first.device != device:
            self.strips = self.strips.to(device)
            for name in ("first", "second", "chromosome", "cell", "members", "counts"):
                setattr(self, name, getattr(self, name).to(device))
        return self

    def __call__(self, keys: PairKeys) -> PairBatch:
        """Return the pairs of some keys."""
        drawn = keys.variant < 0
        numbers = self._numbers(keys)
        order, changed, donor, size, other_size, kind_of_all, kind_of_other = numbers[:, :FURTHER].unbind(1)
        kind = torch.where(drawn, self._drawn_kinds(kind_of_all), keys.variant)
        other_kind = torch.where(drawn | (kind != UNTOUCHED), _pick(kind_of_other, OTHER_PARTS), UNTOUCHED)
        # Homologues exchange a segment both ways: else both would have the same one, pixel by pixel.
        exchanged = kind == EXCHANGED
        other_kind = torch.where(exchanged, kind, other_kind)
        other_size = torch.where(exchanged, size, other_size)
        second_changed = changed < 0.5
        one = torch.where(second_changed, self.second[keys.pair], self.first[keys.pair])
        other = torch.where(second_changed, self.first[keys.pair], self.second[keys.pair])
        donors = self._donors(keys.pair, donor, one, other)
        least, most = self.config.sizes
        of_one = numbers[:, FURTHER : FURTHER + NUMBERS]
        of_other = torch.where(exchanged[:, None], of_one, numbers[:, FURTHER + NUMBERS :])
        change = make_changes(self.strips, Originals(one, other, donors), kind, draw_sizes(size, least, most), of_one)
        sizes = draw_sizes(other_size, least, most)
        normal = make_changes(self.strips, Originals(other, one, donors), other_kind, sizes, of_other)
        image, scale = self._drawn(change, normal, keys, torch.stack([one, other], dim=1))
        place = _places(change, normal, scale, kind >= NULLS, self.strips)
        swap = order < 0.5
        image = torch.where(swap[:, None, None, None], image.flip(1), image)
        place = torch.where(swap[:, None, None], place.flip(1), place)
        return PairBatch(image, self.chromosome[keys.pair], kind, swap.long(), place, change.size, change.arm_change)

    def _numbers(self, keys: PairKeys) -> torch.Tensor:
        """Return the numbers of each pair: those of the training differ by epoch, others by variant and draw."""
        key = torch.stack(
            [torch.full_like(keys.pair, self.seed), keys.epoch, keys.pair, keys.variant, keys.draw], dim=1
        )
        return uniform(key, FURTHER + 2 * NUMBERS)

    def _drawn_kinds(self, number: torch.Tensor) -> torch.Tensor:
        share = self.config.abnormal
        abnormal = number < share
        within = torch.where(abnormal, number / max(share, 1e-9), (number - share) / max(1 - share, 1e-9))
        return torch.where(abnormal, NULLS + _pick(within, ABNORMAL_PARTS), _pick(within, NORMAL_PARTS))

    def _donors(self, pair: torch.Tensor, number: torch.Tensor, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """Return another chromosome of the cell of each pair: not of the pair, where there are others."""
        cell = self.cell[pair]
        count = self.counts[cell]
        chosen = (number * count).long()
        # The pair takes two places at most: of three in a row one is another chromosome's.
        donor = self.members[cell, chosen]
        for _ in range(2):
            chosen = torch.where((donor == one) | (donor == other), (chosen + 1) % count, chosen)
            donor = self.members[cell, chosen]
        return donor

    def _drawn(
        self, change: Changes, normal: Changes, keys: PairKeys, positions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return both chromosomes (B, 2, H, W), augmented where they are for training, and by what they are scaled."""
        height = self.strips.pixels.shape[1]
        longer = torch.maximum(change.segments.length, normal.segments.length)
        scale = ((height - 2 * MARGIN) / longer).clamp(max=1)
        parts = [assemble(self.strips, each.segments, scale) for each in (change, normal)]
        image = torch.stack(parts, dim=1).flatten(0, 1)
        if bool((keys.variant < 0).all()):
            rows = positions.flatten()
            epoch = keys.epoch.repeat_interleave(2)
            image = self.augmentation((image * 255).round().to(torch.uint8), epoch, rows, torch.zeros_like(rows))
        return torch.unflatten(image, 0, (-1, 2)).squeeze(2), scale


def _by_cell(cells: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the strips of each cell, int64, shape (cells, most), and how many they are, shape (cells,)."""
    counts = np.bincount(cells)
    members = np.zeros((len(counts), counts.max()), np.int64)
    for cell, count in enumerate(counts):
        members[cell, :count] = np.flatnonzero(cells == cell)
    return torch.from_numpy(members), torch.from_numpy(counts)


def _pick(number: torch.Tensor, parts: tuple[int, ...]) -> torch.Tensor:
    """Return an index with probabilities in proportion to ``parts``, of numbers from 0 to below 1."""
    bounds = torch.tensor(parts, device=number.device).cumsum(0) / sum(parts)
    return torch.searchsorted(bounds, number.contiguous(), right=True).clamp(max=len(parts) - 1)


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
