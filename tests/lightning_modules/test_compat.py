"""Each private interface of another library still does what it is used for."""

import signal

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import WeightAveraging
from timm.layers import BatchNormAct2d
from torch import nn
from torch.utils.data import DataLoader

from lightning_modules import compat


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


def fit(*callbacks):
    trainer = Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=list(callbacks),
    )
    compat.disable_signal_handlers(trainer)
    loader = DataLoader(torch.ones(3, 1))
    model = Line()
    trainer.fit(model, loader, loader)
    return trainer, model


def test_the_state_of_a_trainer():
    last, handlers = [], []

    class Watch(Callback):
        def on_train_batch_end(self, trainer, *rest):
            last.append(compat.is_last_batch(trainer))
            handlers.append(signal.getsignal(signal.SIGTERM))

    watch, before = Watch(), signal.getsignal(signal.SIGTERM)
    trainer, _ = fit(watch)
    assert last == [False, False, True]
    assert handlers == [before] * 3  # Lightning's own are disabled
    assert watch in compat.callbacks_of(trainer)
    compat.mark_validation_as_begun(trainer)
    state = trainer.fit_loop.epoch_loop.val_loop.batch_progress.state_dict()["current"]
    assert (state["ready"], state["started"], state["processed"]) == (1, 1, 0)


def test_models_and_averages_are_swapped():
    averaging = WeightAveraging()
    _, model = fit(averaging)
    average = compat.average_model(averaging).module.layer.weight.clone()
    with torch.no_grad():
        model.layer.weight.fill_(7.0)
    compat.swap_models(averaging, model)
    assert torch.equal(model.layer.weight, average)
    assert compat.average_model(averaging).module.layer.weight.item() == 7.0


def test_an_average_moves_by_one_minus_decay():
    average = torch.tensor([1.0])
    compat.ema_update([average], [torch.tensor([2.0])], 0.75)
    assert average.item() == 1.25


def test_kinds_of_modules():
    assert compat.is_dropout(nn.Dropout2d())
    assert compat.is_batchnorm(nn.SyncBatchNorm(1))
    assert compat.is_batchnorm(BatchNormAct2d(1))
    assert not compat.is_dropout(nn.Identity())
    assert not compat.is_batchnorm(nn.GroupNorm(1, 1))


def test_the_seed_of_the_cpu():
    compat.seed_cpu(3)
    first = torch.rand(2)
    torch.manual_seed(3)
    assert torch.equal(first, torch.rand(2))
