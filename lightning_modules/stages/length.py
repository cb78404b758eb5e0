"""How long a stage trains: so many epochs, or so many images."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from common.config.schema import TrainerConfig
from common.errors import UserError


@dataclass(frozen=True)
class StageLength:
    """The length of a stage, known before it starts.

    Attributes:
        epochs: Epochs, the last of which may end early.
        steps: Optimiser steps over all of them.
    """

    epochs: int
    steps: int


def stage_length(sizes: Sequence[int], epochs: int, config: TrainerConfig) -> StageLength:
    """Return how long a stage trains.

    With ``trainer.max_images`` it ends after the first optimiser step by which so many images have been seen, copies
    counted: the images are rounded up to a whole batch or, where gradients are accumulated, to a whole step.

    Args:
        sizes: The images of each batch of an epoch, see :func:`batch_sizes`.
        epochs: How many epochs, where there is no budget of images.
        config: Says the budget, and how many batches make a step.
    """
    per_step = config.accumulate_grad_batches
    per_epoch = _steps(len(sizes), per_step)
    if config.max_images is None:
        return StageLength(epochs, epochs * per_epoch)
    whole, rest = divmod(config.max_images, sum(sizes))
    seen = [0, *accumulate(sizes)]
    batches = next(number for number, images in enumerate(seen) if images >= rest)
    return StageLength(whole + (rest > 0), whole * per_epoch + _steps(batches, per_step))


def batch_sizes(loader: Any, limit: int | float | None) -> list[int]:
    """Return the images of each batch of an epoch that ``loader`` serves, over all processes.

    The loader is not started: Lightning would start it to count its batches, and a loader with workers fetches its
    first batches at once, before a resume has said which.

    Args:
        loader: Its batch sampler says its ``sizes()``.
        limit: ``trainer.limit_train_batches``.

    Raises:
        UserError: The limit leaves no batch.
    """
    sizes = loader.batch_sampler.sizes()
    if limit is None:
        batches = len(sizes)
    elif isinstance(limit, float):
        batches = int(limit * len(sizes))
    else:
        batches = limit
    if not sizes[:batches]:
        raise UserError(f"trainer.limit_train_batches={limit} of {len(sizes)} leaves no batch: take a number such as 1")
    return sizes[:batches]


def _steps(batches: int, per_step: int) -> int:
    """Optimiser steps over the batches of one epoch: its last batches make a step, however few they are."""
    return -(-batches // per_step)
