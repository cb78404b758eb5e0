"""What goes wrong on the machine while torch computes, in one line with the remedy."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from pytorch_lightning.utilities.memory import garbage_collection_cuda, is_oom_error

from karyocyte.common.errors import UserError
from karyocyte.config.data import TIMEOUT, LoaderConfig

_WORKER = re.compile(r"DataLoader worker \(.*\) (is killed by signal|exited unexpectedly)")
_TIMEOUT = re.compile(r"DataLoader timed out after (\d+) seconds")


class OutOfMemoryError(UserError):
    """A batch does not fit the memory."""


@contextmanager
def explained_faults(loader: LoaderConfig, training: bool = False) -> Iterator[None]:
    """Turn a lack of memory, and the end of a process that loads images, into a ``UserError`` with what to try.

    In ``training`` the batch size matters to the result, so that gradients are to be accumulated.

    Raises:
        OutOfMemoryError: The memory of the GPU, or of the machine, is too small.
        UserError: A process that loads images was killed, or none of them gives anything for `TIMEOUT`.
    """
    try:
        yield
    except RuntimeError as error:
        if _WORKER.search(str(error)):
            raise UserError(
                f"a process that loads images ended, mostly for lack of memory: set loader.workers below "
                f"{loader.workers}; the same command goes on from the last checkpoint"
            ) from error
        if _TIMEOUT.search(str(error)):
            raise UserError(
                f"the processes that load images gave nothing for {TIMEOUT} s: set loader.workers=0, as where /dev/shm "
                "is full (df /dev/shm); the same command goes on from the last checkpoint"
            ) from error
        if not is_oom_error(error) and "can't allocate memory" not in str(error):
            raise
        garbage_collection_cuda()
        raise OutOfMemoryError(_memory_message(loader, training)) from error


@contextmanager
def explained_batchnorm(stage: str) -> Iterator[None]:
    """Turn torch's refusal of a BatchNorm that would train on one value per channel into a ``UserError``."""
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise UserError(
            f"stage {stage}: BatchNorm trains on one value per channel, a batch of one image with features of one "
            "pixel: set loader.batch_size=2 or more, or, where it is in the backbone, a larger prepare.size or "
            f"unfreeze.stages.{stage}.batchnorm=frozen"
        ) from error


def _memory_message(loader: LoaderConfig, training: bool) -> str:
    size = loader.batch_size
    begin = f"out of memory with loader.batch_size={size}: "
    if size == 1:
        return f"{begin}set prepare.size lower, or choose a smaller model"
    message = f"{begin}try loader.batch_size={size // 2}"
    if training:
        message += ", with trainer.accumulate_grad_batches twice as large for steps of as many images"
    return message
