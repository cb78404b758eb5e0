"""Training cells with chromosomes missing, strange or of a real aneuploidy: a pure function of (seed, epoch, cell).

A model of whole cells that saw normal ones alone would learn that every class has two chromosomes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from common.config.data import CellChangesConfig
from common.errors import UserError
from common.karyotype import CHROMOSOMES
from common.seeds import derive_seed

# The viable aneuploidies: how many chromosomes of which classes a cell is given.
ANEUPLOIDIES: tuple[dict[str, int], ...] = (
    {"13": 3},
    {"18": 3},
    {"21": 3},
    {"X": 1, "Y": 0},
    {"X": 3, "Y": 0},
    {"X": 2, "Y": 1},
    {"X": 1, "Y": 2},
)


@dataclass(frozen=True)
class Cells:
    """The training images by their cells.

    Attributes:
        items: The items of each cell, int64; one array per cell.
        labels: The class of each item, str, shape (items,).
        cases: The case (patient) of each item, str or None, shape (items,).
    """

    items: Sequence[np.ndarray]
    labels: np.ndarray
    cases: np.ndarray


class CellChanges:
    """Draws the chromosomes of a training cell: the cell's own, some of them missing, some of another cell.

    Another cell is one of the same case where there is one. Its chromosomes are in the scale of their own cell.

    Args:
        config: How often each change is made.
        cells: All training cells.
        seed: The run's seed.

    Raises:
        UserError: Aneuploidies are asked for, but the classes are not those of chromosomes.
    """

    def __init__(self, config: CellChangesConfig, cells: Cells, seed: int) -> None:
        self.config = config
        self.cells = cells
        self.seed = seed
        strange = sorted(set(cells.labels) - set(CHROMOSOMES))
        if config.aneuploidy and strange:
            raise UserError(
                f"transform.cells.aneuploidy={config.aneuploidy:g} needs the classes 1 to 22, X and Y, "
                f"which {strange[0]} is not: set it to 0"
            )

    def __call__(self, epoch: int, cell: int) -> np.ndarray:
        """Return the items of a cell in an epoch, int64, at least one."""
        rng = np.random.default_rng(derive_seed("cell_changes", self.seed, epoch, cell))
        own = self.cells.items[cell]
        items = own
        if rng.random() < self.config.aneuploidy:
            items = self._with_counts(items, ANEUPLOIDIES[rng.integers(len(ANEUPLOIDIES))], rng)
        added = round(rng.uniform(0, self.config.add) * len(own))
        dropped = rng.random(len(items)) < rng.uniform(0, self.config.drop)
        if added:
            others = self._others(items, np.ones(len(self.cells.labels), bool))
            return np.concatenate([items[~dropped], _draw(others, added, rng)])
        return own if dropped.all() else items[~dropped]

    def _with_counts(self, items: np.ndarray, counts: Mapping[str, int], rng: np.random.Generator) -> np.ndarray:
        """Return the items with as many of each class as ``counts`` says, as far as other cells have them."""
        for name, count in counts.items():
            of_class = items[self.cells.labels[items] == name]
            rest = items[self.cells.labels[items] != name]
            others = self._others(items, self.cells.labels == name)
            missing = max(count - len(of_class), 0)
            items = np.concatenate([rest, _draw(of_class, count, rng), _draw(others, missing, rng)])
        return items

    def _others(self, items: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """Return what is wanted and not among the items: of the same case where it has any, else of all cases."""
        others = wanted.copy()
        others[items] = False
        same = others & (self.cells.cases == self.cells.cases[items[0]])
        return np.flatnonzero(same if same.any() else others)


def _draw(items: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw ``count`` of the items, or all where there are fewer."""
    return rng.choice(items, min(count, len(items)), replace=False)
