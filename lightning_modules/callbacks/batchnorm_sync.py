"""BatchNorm of several processes: each normalises its own images, and all keep the same running statistics."""

from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import nn

from lightning_modules.backbones.backbone import has_running_statistics
from lightning_modules.support.distributed import all_reduce, current_world


class BatchNormSync(Callback):
    """After every batch, make the running statistics of each BatchNorm that trains their mean over the processes.

    DDP alone would hand out those of the first process, and lose what the others have seen.

    Each process normalises by its share of the global batch: there a run of several processes differs from one of a
    single process. ``batchnorm: frozen`` has no such difference, and ``trainer.sync_batchnorm`` (on GPUs) removes it.
    """

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Bring the statistics together, in one message for each number format."""
        by_type: dict[torch.dtype, list[torch.Tensor]] = {}
        for module in pl_module.modules():
            # Frozen statistics do not move, and SyncBatchNorm's are those of all processes already.
            if module.training and has_running_statistics(module) and not isinstance(module, nn.SyncBatchNorm):
                for buffer in module.buffers(recurse=False):
                    if buffer.is_floating_point():
                        by_type.setdefault(buffer.dtype, []).append(buffer)
        for buffers in by_type.values():
            mean = all_reduce(torch.cat(list(map(torch.flatten, buffers)))) / current_world().size
            sizes = list(map(torch.numel, buffers))
            for buffer, values in zip(buffers, torch.split(mean, sizes), strict=True):
                buffer.copy_(values.view_as(buffer))
