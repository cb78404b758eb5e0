"""The order of the training images: a pure function of (seed, epoch), which can start at any batch."""

from collections.abc import Callable, Iterator

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
    """Refuse a part that is too small to be shared.

    Args:
        images: How many it has.
        part: "train" or "validation": BatchNorm wants two images of each process, a validation one.
        world: The processes.

    Raises:
        UserError: There are too few for each process.
    """
    if part == "train":
        each = 2
    else:
        each = 1
    if world.size > 1 and images < each * world.size:
        raise UserError(
            f"the {part} part has {images} images, and each of {world.size} processes needs {each}: "
            "lower trainer.devices or trainer.num_nodes"
        )


class EpochBatchSampler(Sampler[list[tuple[int, int]]]):
    """Yield batches of (epoch, item): the epoch travels with the item, so workers need no state.

    The processes share each batch of one process that takes as many at once: joined, their shares are that batch. The
    last one may be uneven, a share an image larger than another; but all have as many batches, or some would wait for
    ever.

    Args:
        length: How many items there are.
        batch_size: Items per batch of one process.
        seed: The run's seed.
        position: Called when an epoch's iteration starts; returns (epoch, first batch). Lightning 2.6 continues its
            batch counter after a resume in mid-epoch but feeds from the epoch's start; so the first batch is asked for.
        weights: Draw with replacement and these weights, float64, shape (length,); None: every item once.
        rank: Which of the processes this is.
        world: How many processes share each global batch of ``world * batch_size`` items; ``length`` is at least twice
            as much.
    """

    def __init__(  # noqa: PLR0913
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
        return whole + (rest >= 2 * self.world or (rest > 0 and not whole))

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        epoch, first = self.position()
        order = self.order(epoch)
        step = self.batch_size * self.world
        for number in range(first, len(self)):
            batch = order[number * step : (number + 1) * step]
            yield [(epoch, int(item)) for item in batch[self.rank :: self.world]]

    def sizes(self) -> list[int]:
        """Return how many images each batch of a whole epoch holds, over all processes."""
        step = self.batch_size * self.world
        return [min(step, self.length - number * step) for number in range(len(self))]

    def order(self, epoch: int) -> np.ndarray:
        """Return the items in the order of ``epoch``, int64, shape (length,)."""
        generator = torch.Generator().manual_seed(derive_seed("order", self.seed, epoch))
        if self.weights is None:
            return torch.randperm(self.length, generator=generator).numpy()
        weights = torch.as_tensor(self.weights, dtype=torch.float64)
        return torch.multinomial(weights, self.length, replacement=True, generator=generator).numpy()
