"""trainer.max_images: a stage ends where it must, validated, and a resume ends there too."""

import pytest
import torch
from pytorch_lightning import Callback
from torch.utils.data import DataLoader

from common.runs.history import read_history
from lightning_modules.build import build_classifier
from lightning_modules.stages.fit import train_stages
from tests.helpers.training import small_config
from tests.lightning_modules.memory_data import Items, MemoryData

NET = ["model=resnet18", "model.cut=layer1", "head.layers=[gap,{dense:8},{dropout:0.5}]"]
WHOLE = ["unfreeze=whole", "unfreeze.lr=0.01"]


class Kill(Callback):
    """Ends the process's stretch at a step, or while it validates after one."""

    def __init__(self, step, validating=False):
        self.step, self.validating = step, validating

    def on_train_batch_start(self, trainer, *rest):
        if trainer.global_step == self.step and not self.validating:
            raise RuntimeError("killed")

    def on_validation_start(self, trainer, *rest):
        if trainer.global_step == self.step and self.validating:
            raise RuntimeError("killed")


class Rates(Callback):
    """The learning rate that each step was taken with, and the weights at the end."""

    def __init__(self):
        self.rates, self.weights = [], {}

    def on_train_batch_start(self, trainer, *rest):
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_end(self, trainer, pl_module):
        self.weights = {name: value.clone() for name, value in pl_module.state_dict().items()}


class WorkerData(MemoryData):
    """The same, fetched ahead by a worker."""

    def train_dataloader(self):
        return DataLoader(Items(self.images), batch_sampler=super().train_dataloader().batch_sampler, num_workers=1)


def train(config, run, *extra, data=MemoryData):
    model = build_classifier(config, ("hem", "all"), None)[0]
    return train_stages(model, data(), config, run, extra)


@pytest.mark.parametrize(
    ("images", "accumulate", "seen", "epochs"),
    [(10, 1, 12, 1), (64, 1, 64, 2), (80, 1, 80, 3), (70, 3, 76, 3), (1, 1, 4, 1), (32, 1, 32, 1)],
)
def test_the_images_seen_are_the_budget_rounded_up_and_every_epoch_is_validated(
    tmp_path, images, accumulate, seen, epochs
):
    more = [f"trainer.max_images={images}", f"trainer.accumulate_grad_batches={accumulate}"]
    (stage,) = train(small_config(tmp_path, *NET, *WHOLE, *more), tmp_path / "run")
    assert (stage.images_seen, stage.epochs) == (seen, epochs)
    history = read_history(tmp_path / "run")
    assert len(history) == epochs
    assert stage.score == pytest.approx(history["val/loss"].min(), rel=1e-5)
    assert (tmp_path / "run" / stage.best).exists()


def test_each_stage_has_the_budget_whatever_its_epochs(tmp_path):
    config = small_config(tmp_path, *NET, "trainer.max_images=50", "unfreeze.stages.head.max_epochs=1",
                          "unfreeze.stages.finetune.train=[layer1]")  # fmt: skip
    assert [stage.images_seen for stage in train(config, tmp_path / "run")] == [52, 52]


@pytest.mark.parametrize("scheduler", ["cosine", "one_cycle"])
def test_the_rate_falls_to_its_end_within_the_budget(tmp_path, scheduler):
    more = [f"scheduler={scheduler}", "scheduler.warmup=0.25", "trainer.max_images=80", "trainer.max_epochs=50"]
    rates = Rates()
    train(small_config(tmp_path, *NET, *WHOLE, *more), tmp_path / "run", rates)
    assert len(rates.rates) == 20
    assert max(rates.rates) == pytest.approx(0.01)
    assert rates.rates[-1] < 0.0005


@pytest.mark.parametrize(
    ("kill", "more", "data"),
    [
        pytest.param(Kill(18), [], MemoryData, id="in the part of an epoch that the budget ends in"),
        pytest.param(Kill(13), [], MemoryData, id="in a whole epoch"),
        pytest.param(Kill(20, validating=True), [], MemoryData, id="in the last validation"),
        pytest.param(Kill(7), ["trainer.accumulate_grad_batches=3"], MemoryData, id="gradients accumulated"),
        pytest.param(Kill(13), [], WorkerData, id="with a worker that fetches ahead"),
        pytest.param(Kill(16), ["scheduler=one_cycle", "scheduler.warmup=0.3"], MemoryData, id="with a schedule"),
    ],
)
def test_a_resume_in_mid_epoch_reaches_the_same_end(tmp_path, kill, more, data):
    budget = ["trainer.max_images=80", "callbacks.checkpoint.every_steps=2"]
    config = small_config(tmp_path, *NET, *WHOLE, *budget, *more)
    whole, rest = Rates(), Rates()
    (one,) = train(config, tmp_path / "whole", whole, data=data)
    with pytest.raises(RuntimeError, match="killed"):
        train(config, tmp_path / "run", kill, data=data)
    (other,) = train(config, tmp_path / "run", rest, data=data)
    assert 0 < len(rest.rates) < len(whole.rates)
    assert rest.rates == whole.rates[-len(rest.rates) :]
    assert (one.images_seen, one.epochs, one.score) == (other.images_seen, other.epochs, other.score)
    assert all(torch.equal(value, whole.weights[name]) for name, value in rest.weights.items())
    losses = [read_history(tmp_path / run)["val/loss"].tolist() for run in ("whole", "run")]
    assert losses[0] == losses[1]


def test_killed_after_its_end_it_trains_no_further_batch(tmp_path, monkeypatch):
    config = small_config(tmp_path, *NET, *WHOLE, "trainer.max_images=10")
    with monkeypatch.context() as patch:
        patch.setattr("lightning_modules.stages.fit.write_json", lambda *_: (_ for _ in ()).throw(RuntimeError))
        with pytest.raises(RuntimeError):
            train(config, tmp_path / "run")
    rates = Rates()
    (stage,) = train(config, tmp_path / "run", rates)
    assert (rates.rates, stage.images_seen, stage.epochs) == ([], 12, 1)
