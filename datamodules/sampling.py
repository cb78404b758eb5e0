"""The order of the training images: a pure function of (seed, epoch), which can start at any batch."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch.utils.data import Sampler

from common.seeds import derive_seed


class EpochBatchSampler(Sampler[list[tuple[int, int]]]):
    """Yield batches of (epoch, item): the epoch travels with the item, so workers need no state.

    Args:
        length: How many items there are.
        batch_size: Items per batch of one process.
        seed: The run's seed.
        position: Called when an epoch's iteration starts; returns (epoch, first batch). Lightning 2.6 continues its
            batch counter after a resume in mid-epoch but feeds from the epoch's start; so the first batch is asked for.
        weights: Draw with replacement and these weights, float64, shape (length,); None: every item once.
        rank: Which of the processes this is.
        world: How many processes share each global batch of ``world * batch_size`` items.
    """

    def __init__(
        self,
        length: int,
        batch_size: int,
        seed: int,
        position: Callable[[], tuple[int, int]],
        weights: np.ndarray | None = None,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.length = length
        self.batch_size = batch_size
        self.seed = seed
        self.position = position
        self.weights = weights
        self.rank = rank
        self.world = world

    def __len__(self) -> int:
        """The batches of a whole epoch, wherever it starts."""
        whole, rest = divmod(self.length, self.batch_size * self.world)
        # BatchNorm cannot normalise a single image: such a rest waits for another epoch, when the order differs.
        return whole + (rest > 1 or (rest == 1 and not whole))

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        epoch, first = self.position()
        order = self.order(epoch)
        step = self.batch_size * self.world
        for number in range(first, len(self)):
            batch = order[number * step : (number + 1) * step]
            # Every process gets as many items, or the others would wait for ever: the last batch repeats its first.
            batch = np.resize(batch, -(-len(batch) // self.world) * self.world)
            yield [(epoch, int(item)) for item in batch[self.rank :: self.world]]

    def sizes(self) -> list[int]:
        """Return how many images each batch of a whole epoch holds, over all processes."""
        step = self.batch_size * self.world
        each = (min(step, self.length - number * step) for number in range(len(self)))
        return [-(-size // self.world) * self.world for size in each]

    def order(self, epoch: int) -> np.ndarray:
        """Return the items in the order of ``epoch``, int64, shape (length,)."""
        generator = torch.Generator().manual_seed(derive_seed("order", self.seed, epoch))
        if self.weights is None:
            return torch.randperm(self.length, generator=generator).numpy()
        weights = torch.as_tensor(self.weights, dtype=torch.float64)
        return torch.multinomial(weights, self.length, replacement=True, generator=generator).numpy()
