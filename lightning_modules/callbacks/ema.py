"""An exponential moving average of the weights, which is validated, kept and tested in their place."""

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import WeightAveraging
from torch.optim.swa_utils import get_ema_multi_avg_fn

from lightning_modules.support.compat import average_model


class EMA(WeightAveraging):
    """Lightning's weight averaging, with a warm-up, exact for what is frozen, and on the device of the model.

    After every optimiser step the average moves towards the weights by ``1 - decay``, in (0, 1), and by more while
    steps are few, by TensorFlow's rule of ``ExponentialMovingAverage(num_updates=...)``. The statistics of BatchNorm
    are averaged too, and counters are copied. What does not train stays bit for bit. A full checkpoint holds both the
    average and the weights, so a resume goes on exactly.
    """

    def __init__(self, decay: float) -> None:
        if not 0 < decay < 1:
            raise ValueError(f"decay={decay} is not between 0 and 1")
        super().__init__(use_buffers=True, multi_avg_fn=self._move)
        self.decay = decay

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Bring the average, made before the strategy placed the model, to its device and number format."""
        average_model(self).to(pl_module.device, next(pl_module.parameters()).dtype)

    def _move(self, averages: list[torch.Tensor], current: list[torch.Tensor], count: torch.Tensor | int) -> None:
        """Move averages of one number format towards the current values."""
        if torch.is_floating_point(averages[0]):
            decay = min(self.decay, (1 + int(count)) / (10 + int(count)))
            get_ema_multi_avg_fn(decay)(averages, current, count)  # type: ignore[no-untyped-call]
            return
        for average, newest in zip(averages, current, strict=True):
            average.copy_(newest)
