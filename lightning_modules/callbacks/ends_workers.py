"""The end of the processes that load images."""

import multiprocessing.process
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pytorch_lightning import Callback, LightningModule, Trainer

SECONDS = (
    5.0  # for all of them: one that waits for a disk ends only once the disk answers; torch waits 5 s more for each
)


class EndsWorkers(Callback):
    """End the processes that load images where a training ends by an error or a signal.

    One may wait for ever for the lock of another that was killed, or for room in the shared memory; torch would wait
    for it in turn.
    """

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Kill them, and wait for their ends; one that has not ended by then keeps the training no longer."""
        processes = multiprocessing.active_children()
        with _unheard_ends():
            for process in processes:
                process.kill()
            end = time.monotonic() + SECONDS
            for process in processes:
                process.join(max(end - time.monotonic(), 0))
        for process in processes:
            # Python would wait at its own end, without a limit, for one that has not ended.
            multiprocessing.process._children.discard(process)  # type: ignore[attr-defined]


@contextmanager
def _unheard_ends() -> Iterator[None]:
    """Set torch's handler of SIGCHLD aside, which raises an error where it finds a process killed before its join."""
    if threading.current_thread() is not threading.main_thread():  # handlers run in the main thread alone
        yield
        return
    handler = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, handler or signal.SIG_DFL)
