"""The pairs of homologues of cells, and what is drawn for each: what is changed in it, and how."""

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
    EXCHANGED_END,
    NULLS,
    NUMBERS,
    PARTNER,
    TRANSLOCATION,
    UNTOUCHED,
    draw_sizes,
)
from datamodules.transforms.counter_hash import uniform

# Of the training pairs, in parts: how often each kind is drawn among normal and among abnormal ones. The partner of a
# translocation is changed as a translocation is, so none is needed.
NORMAL_PARTS = (2, 1, 1)
OTHER_PARTS = (2, 1)  # likewise of the other chromosome, which is exchanged with the first or not at all
ABNORMAL_PARTS = (2, 1, 2, 3, 2, 2)
OF_EVENT = 5  # numbers drawn for each event beside those of both changes
OF_PAIR = 5  # and for each pair


@dataclass(frozen=True)
class Pairs:
    """Pairs of homologues, each of a normal cell as far as is known; int64 arrays of one length.

    Attributes:
        first: Manifest row of one chromosome.
        second: Manifest row of the other.
        chromosome: Their class, index into CHROMOSOMES.
        cell: Number of their cell.
        case: Number of its case.
    """

    first: np.ndarray
    second: np.ndarray
    chromosome: np.ndarray
    cell: np.ndarray
    case: np.ndarray

    @classmethod
    def of(cls, labels: np.ndarray, cells: np.ndarray, cases: np.ndarray) -> "Pairs":
        """Return the classes that have exactly two chromosomes in a cell.

        Args:
            labels: Class names of all manifest rows.
            cells: The number of the cell of each.
            cases: The number of the case of each.
        """
        frame = pd.DataFrame({"cell": cells, "label": labels, "row": np.arange(len(labels))})
        by_class = frame.groupby(["cell", "label"])["row"].agg(["first", "last", "size"]).reset_index()
        pairs = by_class[by_class["size"] == 2]
        first = pairs["first"].to_numpy(np.int64)
        chromosome = pairs["label"].map(CHROMOSOMES.index).to_numpy(np.int64)
        return cls(first, pairs["last"].to_numpy(np.int64), chromosome, pairs["cell"].to_numpy(np.int64), cases[first])


class PairKeys(NamedTuple):
    """What determines the pairs of a batch, each int64, shape (B,).

    ``variant`` is an index into KINDS, or -1: drawn, and the chromosomes are augmented.
    """

    epoch: torch.Tensor
    item: torch.Tensor
    pair: torch.Tensor
    variant: torch.Tensor

    @classmethod
    def collate(cls, keys: list[tuple[int, ...]]) -> "PairKeys":
        """Make a batch of the keys of single pairs."""
        return cls(*torch.tensor(keys).T.contiguous())


@dataclass(frozen=True)
class Drawn:
    """What is done to B pairs, each of shape (B,) but for the numbers.

    Attributes:
        kind: What is done to one chromosome, index into KINDS, int64.
        other_kind: What is done to the other one, a normal kind.
        size: Wanted share of the length, float32.
        other_size: Likewise.
        numbers: Of the one, see `make_changes`, float32, shape (B, NUMBERS).
        other_numbers: Likewise.
        shift: Rows by which both chromosomes are off the middle of their images, float32, shape (B, 2).
        second_changed: Whether the second chromosome of the pair is the one, bool.
        swap: Whether the image shows the other one first.
        partner: The pair with which a translocation exchanges ends; the pair itself where its cell has no other.
        second_gives: Whether it is the second chromosome of the partner that does so, bool.
    """

    kind: torch.Tensor
    other_kind: torch.Tensor
    size: torch.Tensor
    other_size: torch.Tensor
    numbers: torch.Tensor
    other_numbers: torch.Tensor
    shift: torch.Tensor
    second_changed: torch.Tensor
    swap: torch.Tensor
    partner: torch.Tensor
    second_gives: torch.Tensor


class PairDraws:
    """Draws what is done to pairs, as a pure function of the seed and their keys.

    What is done to a training pair is drawn for the pair. What is done to a validation or test pair is drawn for the
    chromosome of its case: all cells of a case have the same rearrangement with the same break points. Which of the
    two homologues has it is drawn for each cell, since homologues are in no order.

    Args:
        pairs: Those that are named by the keys.
        config: Shares and sizes.
        seed: The run's seed.
    """

    def __init__(self, pairs: Pairs, config: PairsConfig, seed: int) -> None:
        self.config = config
        self.seed = derive_seed("pairs", seed)
        self.cell = torch.tensor(pairs.cell)
        self.chromosome = torch.tensor(pairs.chromosome)
        self.event = torch.tensor(pairs.case) * len(CHROMOSOMES) + self.chromosome
        self.pair_of = torch.full((int(self.cell.max()) + 1, len(CHROMOSOMES)), -1)
        self.pair_of[self.cell, self.chromosome] = torch.arange(len(self.cell))

    def to(self, device: torch.device) -> "PairDraws":
        """Move everything to a device, and return this."""
        for name in ("cell", "chromosome", "event", "pair_of"):
            setattr(self, name, getattr(self, name).to(device))
        return self

    def __call__(self, keys: PairKeys) -> Drawn:
        """Return what is done to the pairs of some keys."""
        training = keys.variant < 0
        event = torch.where(training, keys.pair, self.event[keys.pair])
        of_event = self._numbers(keys, event, OF_EVENT + 2 * NUMBERS, stream=0)
        size, other_size, kind_of_all, kind_of_other, partner = of_event[:, :OF_EVENT].unbind(1)
        numbers, other_numbers = torch.unflatten(of_event[:, OF_EVENT:], 1, (2, NUMBERS)).unbind(1)
        changed, order, gives, *shifts = self._numbers(keys, keys.pair, OF_PAIR, stream=1).unbind(1)
        kind = torch.where(training, self._kinds(kind_of_all), keys.variant)
        other_kind = torch.where(training | (kind != UNTOUCHED), _pick(kind_of_other, OTHER_PARTS), UNTOUCHED)
        # Homologues exchange a segment both ways: else both would have the same one, pixel by pixel.
        exchanged = (kind == EXCHANGED) | (kind == EXCHANGED_END)
        least, most = self.config.sizes
        return Drawn(
            kind=kind,
            other_kind=torch.where(exchanged, kind, other_kind),
            size=draw_sizes(size, least, most),
            other_size=draw_sizes(torch.where(exchanged, size, other_size), least, most),
            numbers=numbers,
            other_numbers=torch.where(exchanged[:, None], numbers, other_numbers),
            shift=torch.stack(shifts, dim=1) - 0.5,
            second_changed=changed < 0.5,
            swap=order < 0.5,
            partner=self._partners(keys.pair, partner),
            second_gives=gives < 0.5,
        )

    def _numbers(self, keys: PairKeys, unit: torch.Tensor, count: int, stream: int) -> torch.Tensor:
        """Return numbers of each pair or event; a translocation and its partner have the same."""
        variant = torch.where(keys.variant == PARTNER, TRANSLOCATION, keys.variant)
        seed = torch.full_like(unit, self.seed)
        key = torch.stack([seed, torch.full_like(unit, stream), keys.epoch, unit, variant], dim=1)
        return uniform(key, count)

    def _kinds(self, number: torch.Tensor) -> torch.Tensor:
        share = self.config.abnormal
        abnormal = number < share
        within = torch.where(abnormal, number / max(share, 1e-9), (number - share) / max(1 - share, 1e-9))
        return torch.where(abnormal, NULLS + _pick(within, ABNORMAL_PARTS), _pick(within, NORMAL_PARTS))

    def _partners(self, pair: torch.Tensor, number: torch.Tensor) -> torch.Tensor:
        """Return a pair of another class of the cell of each, the same class in all cells that have it."""
        classes = len(CHROMOSOMES)
        order = torch.arange(classes, device=pair.device) + (number * classes).long()[:, None]
        candidates = self.pair_of[self.cell[pair]].gather(1, order % classes)
        usable = (candidates >= 0) & (candidates != pair[:, None])
        first = usable.int().argmax(1, keepdim=True)
        return torch.where(usable.any(1), candidates.gather(1, first)[:, 0], pair)


def _pick(number: torch.Tensor, parts: tuple[int, ...]) -> torch.Tensor:
    """Return an index with probabilities in proportion to ``parts``, of numbers from 0 to below 1."""
    bounds = torch.tensor(parts, device=number.device).cumsum(0) / sum(parts)
    return torch.searchsorted(bounds, number.contiguous(), right=True).clamp(max=len(parts) - 1)
