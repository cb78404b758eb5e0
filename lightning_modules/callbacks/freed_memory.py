"""Memory that the steps of a fit have freed and that nothing needs in this form any more."""

from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch.optim import Optimizer

from karyocyte.common.memory import return_freed_memory

BATCHES = 2
MOMENTS = 2  # tensors of the size of a parameter that Adam keeps; most others keep as many or fewer


class FreedMemory(Callback):
    """Keep the peak memory of a fit on a CPU near that of a single step.

    The process keeps what it frees (`keep_freed_memory`). The optimiser makes its moments in the first step, between
    the gradients, where they would split the room that the next steps need: room for them is taken before that step,
    and given back for them when its gradients are there. What the first two steps and the whole fit have freed is
    returned to the system (`results/memory.csv`).
    """

    def __init__(self) -> None:
        self.batches = 0
        self.room: list[torch.Tensor] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take room for the moments, which a resumed optimiser has already. Unwritten pages cost nothing."""
        if pl_module.device.type == "cpu" and not any(optimizer.state for optimizer in trainer.optimizers):
            trained = [parameter for parameter in pl_module.parameters() if parameter.requires_grad]
            self.room = [torch.empty_like(parameter) for parameter in trained for _ in range(MOMENTS)]

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Give the room back."""
        self.room = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Return the memory after a batch, if it is one of the first."""
        self.batches += 1
        if self.batches <= BATCHES:
            return_freed_memory()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Return the memory of the fit: predictions lay out theirs in another way."""
        return_freed_memory()
