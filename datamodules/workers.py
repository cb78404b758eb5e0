"""The processes that load images: how many there are, how they are set up, and whether they live."""

import time
from typing import Any

import cv2
import torch
from torch._utils import ExceptionWrapper
from torch.utils.data import DataLoader
from torch.utils.data.dataloader import _BaseDataLoaderIter, _MultiProcessingDataLoaderIter

from karyocyte.common.errors import UserError
from karyocyte.common.preemption import ignore_in_worker


class WatchedLoader(DataLoader[Any]):
    """Notices within seconds that a process that loads images was killed, whatever its ``timeout``."""

    def _get_iterator(self) -> _BaseDataLoaderIter:
        if not self.num_workers:
            return super()._get_iterator()
        self.check_worker_number_rationality()
        return _WatchedIterator(self)


class _WatchedIterator(_MultiProcessingDataLoaderIter):
    """Looks after its processes every few seconds.

    With a timeout, torch looks after them at its end alone and else relies on SIGCHLD. That signal says nothing of a
    process that is killed before the last one of its loader has started, and what it raises is lost where Python
    happens to end another loader.
    """

    def _get_data(self) -> Any:
        end = time.monotonic() + self._timeout
        while time.monotonic() < end:
            # It waits for 5 s, and raises where a process has ended.
            try:
                success, data = self._try_get_data()  # type: ignore[no-untyped-call]
            except (ConnectionError, EOFError, FileNotFoundError) as error:  # it ended before its batch was taken
                raise RuntimeError("DataLoader worker (of this batch) exited unexpectedly") from error
            if success:
                _raise_for_user(data[1])
                return data
        raise RuntimeError(f"DataLoader timed out after {self._timeout} seconds")


def _raise_for_user(batch: Any) -> None:
    """Raise a ``UserError`` of a process that loads images; torch would add the traceback to its message."""
    if isinstance(batch, ExceptionWrapper) and issubclass(batch.exc_type, UserError):
        # The last line of a traceback is the type of the error and its message, which is one line.
        raise UserError(batch.exc_msg.splitlines()[-1].partition(": ")[2])


def set_up_worker(worker: int) -> None:
    """Set up a process: OpenCV's threads times the workers would exceed the cores; and the parent handles signals."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    ignore_in_worker()
