"""Keeping predictions in a way that lets memory be used again."""

from typing import Any

import numpy as np
import torch
from pytorch_lightning import Callback, LightningModule, Trainer

BLOCK = 4096  # rows


class PredictionCollector(Callback):
    """Copies what ``predict_step`` returns into few large blocks.

    Lightning would keep the tensors of every batch: small ones between the large ones that come and go, which pin the
    memory around them. At 224 pixels that was measured at 0.4 MB for each image.
    """

    def __init__(self) -> None:
        self._rows: dict[str, _Rows] = {}

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: dict[str, torch.Tensor],
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep a batch."""
        for key, values in outputs.items():
            self._rows.setdefault(key, _Rows()).add(values.cpu().numpy())

    def found(self) -> dict[str, np.ndarray]:
        """Return what was predicted, by name, shape (images, ...); empty where nothing was."""
        return {key: rows.joined() for key, rows in self._rows.items()}


class _Rows:
    def __init__(self) -> None:
        self.blocks: list[np.ndarray] = []
        self.used = BLOCK  # of the last block

    def add(self, rows: np.ndarray) -> None:
        while len(rows):
            if self.used == BLOCK:
                self.blocks.append(np.empty((BLOCK, *rows.shape[1:]), rows.dtype))
                self.used = 0
            taken = min(len(rows), BLOCK - self.used)
            self.blocks[-1][self.used : self.used + taken] = rows[:taken]
            self.used = self.used + taken
            rows = rows[taken:]

    def joined(self) -> np.ndarray:
        return np.concatenate([*self.blocks[:-1], self.blocks[-1][: self.used]])
