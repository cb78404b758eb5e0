"""The state of a trainer by the private interfaces of Lightning; the tests of what uses the others cover those."""

import signal

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import nn
from torch.utils.data import DataLoader

from lightning_modules.support import compat


class Line(LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def training_step(self, batch, batch_idx):
        return self.layer(batch).sum()

    def validation_step(self, batch, batch_idx):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def test_the_state_of_a_trainer():
    last, handlers = [], []

    class Watch(Callback):
        def on_train_batch_end(self, trainer, *rest):
            last.append(compat.is_last_batch(trainer))
            handlers.append(signal.getsignal(signal.SIGTERM))

    watch, before = Watch(), signal.getsignal(signal.SIGTERM)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_model_summary": False, "num_sanity_val_steps": 0}
    trainer = Trainer(max_epochs=1, accelerator="cpu", callbacks=[watch], **quiet)
    compat.disable_signal_handlers(trainer)
    loader = DataLoader(torch.ones(3, 1))
    trainer.fit(Line(), loader, loader)
    assert last == [False, False, True]
    assert handlers == [before] * 3  # Lightning's own are disabled
    assert watch in compat.callbacks_of(trainer)
