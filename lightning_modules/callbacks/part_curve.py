"""The curve of a part over the epochs, as paper 003 draws them: recorded, and never chosen by."""

from typing import Any, Literal

import numpy as np
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch.utils.data import DataLoader
from torchmetrics import MeanMetric

from lightning_modules.callbacks.best_checkpoint import averaged_weights
from lightning_modules.modules.classifier import Classifier


class PartCurve(Callback):
    """Logs loss and metrics of a part after each epoch, as ``test_curve/loss``, ``train_curve/acc`` and others.

    Of training images these are figures of the updated weights, each image once, without augmentation and dropout;
    ``train/acc`` is the mean over the epoch. Whoever looks at the curve of the test part while settings are tried has
    seen that part: for the reproduction of a paper alone. It changes no weights and draws no random numbers of the
    training.
    """

    needs_images = True  # cached features are of training and validation images alone

    def __init__(self, part: Literal["test", "train"]) -> None:
        self.part = part

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Evaluate the weights that the epoch ended with; of averaged weights the average."""
        assert isinstance(pl_module, Classifier)
        curve = f"{self.part}_curve/"
        metrics = pl_module.val_metrics.clone()  # empty: the validation of the epoch is over
        metrics.prefix = curve
        loss = MeanMetric().to(pl_module.device)
        with torch.random.fork_rng(devices=[]), averaged_weights(trainer, pl_module), torch.no_grad():
            pl_module.eval()
            for batch in self._batches(trainer):
                images = trainer.strategy.batch_to_device(batch)  # as the data module hands it on
                with trainer.precision_plugin.forward_context():
                    logits = pl_module(images["image"])
                    loss.update(pl_module.validation_loss(logits, images["label"]), len(images["label"]))
                metrics.update(pl_module.scores(logits), images["label"])
        pl_module.train()
        pl_module.log_dict({f"{curve}loss": loss.compute(), **metrics.compute()})

    def _batches(self, trainer: Trainer) -> DataLoader[Any]:
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        if self.part == "test":
            return data.test_dataloader()  # type: ignore[no-any-return]
        return data.in_order(np.unique(data.plan.rows))  # type: ignore[no-any-return]
