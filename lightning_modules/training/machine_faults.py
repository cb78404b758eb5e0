"""What goes wrong on the machine while torch computes, in one line with the remedy."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from pytorch_lightning.utilities.memory import is_oom_error

from karyocyte.common.errors import UserError
from karyocyte.config.data import LoaderConfig

_TRACEBACK = "in DataLoader worker process"
_WORKER = re.compile(r"DataLoader worker \(.*\) (is killed by signal|exited unexpectedly)")


@contextmanager
def explained_faults(loader: LoaderConfig, stage: str | None = None) -> Iterator[None]:
    """Turn a lack of memory, and the end of a process that loads images, into a ``UserError`` with what to try.

    In the training of a ``stage`` also torch's refusal of a BatchNorm that would train on one value per channel.
    """
    try:
        yield
    except (RuntimeError, ValueError, ConnectionError, EOFError, UserError) as error:
        message = _explanation(error, loader, stage)
        if not message:
            raise
        raise UserError(message) from error


def _of_loader(error: Exception, loader: LoaderConfig) -> str:
    """Return what to say of an error in a process that loads images, or of its end; "" of other errors."""
    text = str(error)
    if isinstance(error, UserError):  # torch's traceback is before its message
        return text.rpartition("UserError: ")[2].removesuffix(r"\n") if _TRACEBACK in text else ""
    if not loader.workers:
        return ""
    remedy = f"set loader.workers below {loader.workers}; the same command goes on from the last checkpoint"
    return f"a process that loads images ended, mostly for lack of memory: {remedy}"


def _explanation(error: Exception, loader: LoaderConfig, stage: str | None) -> str:
    """Return in a line what to try after an error; "" for one that is none of the machine."""
    text = str(error)
    if isinstance(error, UserError | ConnectionError | EOFError) or _WORKER.search(text):
        return _of_loader(error, loader)
    if stage and "more than 1 value per channel" in text:
        return (
            f"stage {stage}: BatchNorm trains on one value per channel, a batch of one image with features of one "
            "pixel: set loader.batch_size=2 or more, or, where it is in the backbone, a larger prepare.size or "
            f"unfreeze.stages.{stage}.batchnorm=frozen"
        )
    if not is_oom_error(error) and "can't allocate memory" not in text:
        return ""
    remedy = "set prepare.size lower, or choose a smaller model"
    if loader.batch_size > 1:
        remedy = f"try loader.batch_size={loader.batch_size // 2}"
        if stage:  # whose result the batch size matters to
            remedy += ", with trainer.accumulate_grad_batches twice as large for steps of as many images"
    return f"out of memory with loader.batch_size={loader.batch_size}: {remedy}"
