"""The end of the processes that load images."""

import multiprocessing

from pytorch_lightning import Callback, LightningModule, Trainer


class EndsWorkers(Callback):
    """End the processes that load images where a training ends by an error or a signal.

    One may wait for ever for the lock of another that was killed, or for room in the shared memory; torch would wait
    for it in turn.
    """

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Kill them, and wait for their ends: torch then does not report them as lost."""
        for process in multiprocessing.active_children():
            process.kill()
            process.join()
