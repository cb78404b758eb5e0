"""The loaders of a trainer: how long a batch may take, and the end of the processes that load images."""

import multiprocessing.process
import threading
import time
from contextlib import nullcontext
from signal import SIG_DFL
from types import FrameType
from typing import Any, NoReturn

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.profilers import PassThroughProfiler

from karyocyte.common.errors import UserError
from karyocyte.common.system import set_alarm, unheard_ends

SECONDS = (
    5.0  # for all of them: one that waits for a disk ends only once the disk answers; torch waits 5 s more for each
)
# How Lightning's name of a wait for a batch ends, and the part of the images.
LOADERS = {"train_dataloader_next": "training", "val_next": "validation", "predict_next": "predicted"}


class LoaderLimit(PassThroughProfiler):
    """End a trainer by a ``UserError`` where a loader delivers no batch for ``seconds``, which are positive.

    A profiler, since Lightning tells these alone when it begins and ceases to wait. The alarm of the system reaches
    waits for processes as well as images that this process reads itself. Only a main thread has alarms.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self._part: str | None = None
        self._before: Any = None  # the handler of others

    def start(self, action_name: str) -> None:
        """Set the alarm where a loader is asked for a batch."""
        part = LOADERS.get(action_name.rpartition(".")[2])
        if part and threading.current_thread() is threading.main_thread():
            self._part = part
            self._before = set_alarm(self.seconds, self._end)

    def stop(self, action_name: str) -> None:
        """Take the alarm back: the batch is there, or the wait has ended by an error."""
        if self._part:
            set_alarm(0, self._before or SIG_DFL)
            self._part = None

    def _end(self, signum: int, frame: FrameType | None) -> NoReturn:
        raise UserError(
            f"the loader of {self._part} images delivered no batch for {self.seconds:g} s: see whether the disk of the "
            "images answers; set loader.workers=0 where /dev/shm is full (df -h /dev/shm), or "
            f"loader.timeout={2 * self.seconds:g} where a batch takes as long; the same command goes on from the last "
            "checkpoint"
        )


class EndsWorkers(Callback):
    """End the processes that load images where a training ends by an error or a signal.

    One may wait for ever for the lock of another that was killed, or for room in the shared memory; torch would wait
    for it in turn.
    """

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Kill them, and wait for their ends; one that has not ended by then keeps the training no longer."""
        processes = multiprocessing.active_children()
        # Handlers run in the main thread alone.
        in_main = threading.current_thread() is threading.main_thread()
        with unheard_ends() if in_main else nullcontext():
            for process in processes:
                process.kill()
            end = time.monotonic() + SECONDS
            for process in processes:
                process.join(max(end - time.monotonic(), 0))
        for process in processes:
            # Python would wait at its own end, without a limit, for one that has not ended.
            multiprocessing.process._children.discard(process)  # type: ignore[attr-defined]
