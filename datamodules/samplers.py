"""The order of the training images: a pure function of (seed, epoch), which can start at any batch."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch.utils.data import Sampler

from common.errors import UserError
from common.runs.distributed import World
from common.seeds import derive_seed


def share_of(rows: np.ndarray, world: World) -> np.ndarray:
    """Return this process's share of the rows: over all processes each is in one share, and sizes differ by one."""
    return rows[world.rank :: world.size]


def check_shares(images: int, part: str, world: World) -> None:
    """Refuse a part ("train", "validation") that has too few images for each process.

    Raises:
        UserError: It has too few: BatchNorm needs two images of the train part, a validation one.
    """
    each = 2 if part == "train" else 1
    if world.size > 1 and images < each * world.size:
        raise UserError(
            f"the {part} part has {images} images, and each of {world.size} processes needs {each}: "
            "lower trainer.devices or trainer.num_nodes"
        )


class EpochBatchSampler(Sampler[list[tuple[int, int]]]):
    """Yield batches of (epoch, item): the epoch travels with the item, so workers need no state.

    The processes share global batches of ``world.size * batch_size`` items. The shares of the last one may differ by an
    image; but all processes have the same number of batches, or some would wait forever.

    Args:
        length: Number of items, at least twice ``world.size``.
        batch_size: Items per batch of one process.
        seed: The run's seed.
        position: Called when an epoch's iteration starts; returns (epoch, first batch). Lightning 2.6 continues its
            batch counter after a resume in mid-epoch but feeds from the epoch's start; so the first batch is asked for.
        weights: Draw with replacement and these weights, float64, shape (length,); None: every item once.
        world: The processes, and which of them this is.
    """

    def __init__(
        self,
        length: int,
        batch_size: int,
        seed: int,
        position: Callable[[], tuple[int, int]],
        weights: np.ndarray | None = None,
        world: World = World(),  # noqa: B008 (frozen)
    ) -> None:
        self.length = length
        self.batch_size = batch_size
        self.seed = seed
        self.position = position
        self.weights = weights
        self.world = world
        self.step = batch_size * world.size

    def __len__(self) -> int:
        """The batches of a whole epoch, wherever it starts."""
        whole, rest = divmod(self.length, self.step)
        # BatchNorm cannot normalise a single image: a last batch of one image is dropped, when the order differs.
        return whole + (rest >= 2 * self.world.size or (rest > 0 and not whole))

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        epoch, first = self.position()
        order = self.order(epoch)
        for number in range(first, len(self)):
            batch = order[number * self.step : (number + 1) * self.step]
            yield [(epoch, int(item)) for item in share_of(batch, self.world)]

    def sizes(self) -> list[int]:
        """Return how many images each batch of a whole epoch holds, over all processes."""
        return [min(self.step, self.length - number * self.step) for number in range(len(self))]

    def order(self, epoch: int) -> np.ndarray:
        """Return the items in the order of ``epoch``, int64, shape (length,)."""
        generator = torch.Generator().manual_seed(derive_seed("order", self.seed, epoch))
        if self.weights is None:
            return torch.randperm(self.length, generator=generator).numpy()
        weights = torch.as_tensor(self.weights, dtype=torch.float64)
        return torch.multinomial(weights, self.length, replacement=True, generator=generator).numpy()


class CellBatchSampler(Sampler[list[tuple[int, int, int]]]):
    """Yield batches of whole cells: (epoch, item, number of the cell within the batch) for each of their images.

    An incomplete last batch is dropped, when the order differs from epoch to epoch and there is another one.

    Args:
        cells: The items of each cell, int64.
        batch_size: Cells per batch.
        seed: The run's seed; None: in the given order, with the incomplete last batch, as validation and test need.
        position: As of ``EpochBatchSampler``.
        changes: Returns the items of a cell in an epoch by (epoch, cell); None: always its own.
    """

    def __init__(
        self,
        cells: Sequence[np.ndarray],
        batch_size: int,
        seed: int | None = None,
        position: Callable[[], tuple[int, int]] = lambda: (0, 0),
        changes: Callable[[int, int], np.ndarray] | None = None,
    ) -> None:
        self.cells = cells
        self.batch_size = batch_size
        self.seed = seed
        self.position = position
        self.changes = changes

    def __len__(self) -> int:
        """The batches of a whole epoch, wherever it starts."""
        whole, rest = divmod(len(self.cells), self.batch_size)
        return whole + (rest > 0 and (self.seed is None or not whole))

    def __iter__(self) -> Iterator[list[tuple[int, int, int]]]:
        epoch, first = self.position()
        for batch in self._batches(epoch)[first:]:
            keys = []
            for number, cell in enumerate(batch):
                keys += [(epoch, int(item), number) for item in self._items(epoch, int(cell))]
            yield keys

    def sizes(self) -> list[int]:
        """Return how many images each batch of the first epoch holds; those of another one differ by a few."""
        return [sum(len(self._items(0, int(cell))) for cell in batch) for batch in self._batches(0)]

    def order(self, epoch: int) -> np.ndarray:
        """Return the cells in the order of ``epoch``, int64, shape (cells,)."""
        if self.seed is None:
            return np.arange(len(self.cells))
        generator = torch.Generator().manual_seed(derive_seed("order", self.seed, epoch))
        return torch.randperm(len(self.cells), generator=generator).numpy()

    def _items(self, epoch: int, cell: int) -> np.ndarray:
        return self.cells[cell] if self.changes is None else self.changes(epoch, cell)

    def _batches(self, epoch: int) -> list[np.ndarray]:
        order = self.order(epoch)
        return [order[number * self.batch_size : (number + 1) * self.batch_size] for number in range(len(self))]


def items_by_cell(numbers: np.ndarray) -> list[np.ndarray]:
    """Return the items of each cell, int64, ascending, by the number of each item's cell, int64, shape (items,)."""
    order = np.argsort(numbers, kind="stable")
    starts = np.flatnonzero(np.diff(numbers[order])) + 1
    return np.split(order, starts)
