"""Memory that the first steps of a fit have freed."""

from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from karyocyte.common.runs.memory import return_freed_memory

BATCHES = 2


class ReturnFreedMemory(Callback):
    """Return freed memory to the system after each of the first two batches of a fit.

    The process keeps what it frees (`keep_freed_memory`), and the first steps differ in where they put their tensors:
    before the first there are no gradients, and before the second no moments of the optimiser. Together they take up to
    1.4 times the memory of each (`results/memory.csv`); the later ones are alike.
    """

    def __init__(self) -> None:
        self.batches = 0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Return the memory after a batch, if it is one of the first."""
        self.batches += 1
        if self.batches <= BATCHES:
            return_freed_memory()
