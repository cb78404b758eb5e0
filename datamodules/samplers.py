"""The order of the training images: a pure function of (seed, epoch), which can start at any batch."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Sampler

from karyocyte.common.errors import UserError
from karyocyte.common.seeds import derive_seed
from karyocyte.config.distributed import World


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


@dataclass(eq=False)
class EpochBatchSampler(Sampler[list[tuple[int, int]]]):
    """Yield batches of (epoch, item): the epoch travels with the item, so workers need no state.

    The processes share global batches of ``world.size * batch_size`` items, and all have the same number of batches.
    """

    length: int  # number of items, at least twice ``world.size``
    batch_size: int  # items per batch of one process
    seed: int  # of the run
    # Called when an epoch's iteration starts; returns (epoch, first batch). Lightning 2.6 continues its batch counter
    # after a resume in mid-epoch but feeds from the epoch's start; so the first batch is asked for.
    position: Callable[[], tuple[int, int]]
    weights: np.ndarray | None = None  # of draws with replacement, float64, shape (length,); None: every item once
    world: World = World()  # noqa: RUF009 (frozen): the processes, and which of them this is

    @property
    def step(self) -> int:
        """The items of a batch of all processes."""
        return self.batch_size * self.world.size

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
        left: list[int] = (self.length - self.step * np.arange(len(self))).clip(max=self.step).tolist()
        return left

    def order(self, epoch: int) -> np.ndarray:
        """Return the items in the order of ``epoch``, int64, shape (length,)."""
        generator = torch.Generator().manual_seed(derive_seed("order", self.seed, epoch))
        if self.weights is None:
            return torch.randperm(self.length, generator=generator).numpy()
        weights = torch.as_tensor(self.weights, dtype=torch.float64)
        return torch.multinomial(weights, self.length, replacement=True, generator=generator).numpy()
