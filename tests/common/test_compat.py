"""The private interfaces of other libraries still do what is asked of them."""

import sqlite3
import time

import optuna
import torch
from pytorch_lightning import LightningModule, Trainer
from torch import nn, optim
from torch.utils.data import DataLoader

from common.compat import expand_sweep, optuna_heartbeat, position_in_epoch


class Positions(LightningModule):
    """Notes the position in the epoch before each training batch of two images."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 1)
        self.epochs = []

    def training_step(self, batch, batch_idx):
        self.epochs.append((position_in_epoch(self.trainer)[0], batch_idx))
        return self.layer(batch[:, None]).sum()

    def configure_optimizers(self):
        return optim.SGD(self.parameters(), lr=0.1)


def test_a_sweep_is_every_combination_in_order():
    assert expand_sweep(["a=1,2", "b=x", "c=range(0,2)"]) == [
        ("a=1", "b=x", "c=0"),
        ("a=1", "b=x", "c=1"),
        ("a=2", "b=x", "c=0"),
        ("a=2", "b=x", "c=1"),
    ]


def test_a_trial_has_a_heartbeat(tmp_path):
    storage = optuna.storages.RDBStorage(f"sqlite:///{tmp_path / 'study.db'}", heartbeat_interval=1)
    study = optuna.create_study(storage=storage)
    with optuna_heartbeat(study, study.ask()):
        time.sleep(0.5)
    with sqlite3.connect(tmp_path / "study.db") as database:
        assert database.execute("select count(*) from trial_heartbeats").fetchone() == (1,)


def test_position_in_epoch_is_that_of_the_trainer(tmp_path):
    assert position_in_epoch(None) == (0, 0)
    model = Positions()
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    trainer = Trainer(max_epochs=2, accelerator="cpu", default_root_dir=tmp_path, **quiet)
    trainer.fit(model, DataLoader(torch.ones(4), batch_size=2))
    assert model.epochs == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert position_in_epoch(trainer) == (2, 0)
