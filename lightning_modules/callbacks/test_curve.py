"""The curve of the test part over the epochs, as paper 003 watched it: recorded, and never chosen by."""

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torchmetrics import MeanMetric

from lightning_modules.callbacks.best_checkpoint import averaged_weights
from lightning_modules.classifier import Classifier


class TestCurve(Callback):
    """Logs loss and metrics of the test part after each epoch, as ``test_curve/loss``, ``test_curve/acc`` and others.

    For the reproduction of a paper alone: whoever looks at the curve while settings are tried has seen the test part.
    It changes no weights and draws no random numbers of the training.
    """

    __test__ = False  # no class of tests
    needs_images = True  # cached features are of training and validation images alone

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Evaluate the weights that the epoch ended with; of averaged weights the average."""
        assert isinstance(pl_module, Classifier)
        metrics = pl_module.val_metrics.clone("test_curve/")  # empty: the validation of the epoch is over
        loss = MeanMetric().to(pl_module.device)
        with torch.random.fork_rng(devices=[]), averaged_weights(trainer, pl_module), torch.no_grad():
            pl_module.eval()
            for batch in trainer.datamodule.test_dataloader():  # type: ignore[attr-defined]
                images = trainer.strategy.batch_to_device(batch)  # as the data module hands it on
                with trainer.precision_plugin.forward_context():
                    logits = pl_module(images["image"])
                    loss.update(pl_module.validation_loss(logits, images["label"]), len(images["label"]))
                metrics.update(pl_module.scores(logits), images["label"])
        pl_module.train()
        pl_module.log_dict({"test_curve/loss": loss.compute(), **metrics.compute()})
