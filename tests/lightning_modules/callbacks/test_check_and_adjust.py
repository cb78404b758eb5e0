"""Algorithm 1 of paper 002, by hand and in a training; its checkpoints over interruptions."""

import shutil
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from hydra.errors import ConfigCompositionException
from pydantic import ValidationError
from pytorch_lightning import Callback

from common.config.schema import CheckAndAdjustConfig, LevelConfig
from common.errors import UserError
from lightning_modules.build import build_classifier
from lightning_modules.callbacks import CheckAndAdjust
from lightning_modules.callbacks.check_and_adjust import Hits, adjust, need_save
from lightning_modules.stages.fit import train_stages
from tests.helpers.training import small_config
from tests.lightning_modules.memory_data import MemoryData

LEVELS = (
    LevelConfig(above=0.2, gate=0.15, lr=1e-3),
    LevelConfig(above=0.5, gate=0.1, lr=5e-4),
    LevelConfig(above=0.8, gate=0.05, lr=2e-4),
)
OWN = 1e-2

NET = ["model=resnet18", "model.cut=layer1", "head.layers=[gap,{dense:8},{dropout:0.5}]"]
WHOLE = ["unfreeze=whole", "unfreeze.lr=0.01", "callbacks.monitor=val/acc"]
CHECKS = [
    "callbacks.check_and_adjust.enabled=true", "callbacks.check_and_adjust.every_steps=3",
    "callbacks.check_and_adjust.every_epochs=2", "callbacks.checkpoint.every_steps=2", "trainer.max_epochs=3",
    "callbacks.check_and_adjust.levels=[{above: 0.3, gate: 0.1, lr: 0.002},{above: 0.6, gate: 0.2, lr: 0.001}]",
]  # fmt: skip


class FakeTrainer(SimpleNamespace):
    """What the callback asks of a trainer."""

    def __init__(self):
        optimizer = SimpleNamespace(param_groups=[{"lr": OWN}, {"lr": OWN}])
        super().__init__(global_step=0, current_epoch=0, optimizers=[optimizer], callbacks=[], is_global_zero=True)

    def save_checkpoint(self, path, weights_only):
        assert weights_only
        path.write_bytes(b"weights")


def checker(folder, every_steps=1, every_epochs=None):
    config = CheckAndAdjustConfig(enabled=True, every_steps=every_steps, every_epochs=every_epochs, levels=LEVELS)
    return CheckAndAdjust(config, OWN, folder)


def test_the_algorithm_by_hand(tmp_path):
    """(accuracy in hundredths) -> (rate, saved?): the level is that of the best BEFORE the check."""
    trainer, callback = FakeTrainer(), checker(tmp_path)
    by_hand = [
        (10, 1e-2, True),  # below the first level any gain is saved
        (10, 1e-2, False),  # no gain
        (60, 1e-2, True),  # the best before was 0.10: still the stage's own rate
        (65, 5e-4, False),  # best 0.60 > 0.5: the gain 0.05 does not pass the gate 0.1
        (70, 5e-4, False),  # 0.10 is not more than 0.1
        (20, 5e-4, False),  # a bad mini-batch lowers nothing
        (71, 5e-4, True),
        (95, 5e-4, True),  # the best before was 0.71
        (100, 2e-4, False),  # best 0.95 > 0.8: 1.00 - 0.95 is not more than 0.05
        (30, 2e-4, False),
    ]
    best = 0.0
    for step, (hundredths, rate, saved) in enumerate(by_hand, start=1):
        trainer.global_step, before = step, len(callback.saved)
        callback.after_step(trainer, None, Hits(torch.tensor(hundredths), 100))
        assert [group["lr"] for group in trainer.optimizers[0].param_groups] == [rate, rate]
        assert len(callback.saved) - before == saved, step
        best = hundredths / 100 if saved else best
        assert callback.best == best
    assert [(each.step, each.accuracy) for each in callback.saved] == [(1, 0.1), (3, 0.6), (7, 0.71), (8, 0.95)]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(each.file for each in callback.saved)


def test_the_highest_level_that_the_best_exceeds_rules():
    assert adjust(0.0, LEVELS, OWN) == (0.0, OWN)
    assert adjust(0.2, LEVELS, OWN) == (0.0, OWN)  # to reach a level is not to exceed it
    assert adjust(0.21, LEVELS, OWN) == (0.15, 1e-3)
    assert adjust(1.0, LEVELS, OWN) == (0.05, 2e-4)


def test_a_rounding_passes_no_gate():
    assert 0.8 - 0.7 > 0.1
    assert not need_save(0.8, 0.7, 0.1)
    assert need_save(0.81, 0.7, 0.1)


def test_it_checks_the_first_step_and_every_so_many_after_it(tmp_path):
    trainer, callback = FakeTrainer(), checker(tmp_path, every_steps=200)
    for step in range(1, 602):
        trainer.global_step = step
        callback.after_step(trainer, None, Hits(torch.tensor(step), 1000))
    assert [each.step for each in callback.saved] == [1, 201, 401, 601]


def test_every_ten_epochs_it_saves_regardless_but_nothing_twice(tmp_path):
    trainer, callback = FakeTrainer(), checker(tmp_path, every_steps=30, every_epochs=10)
    for epoch in range(30):
        trainer.current_epoch, trainer.global_step = epoch, 3 * (epoch + 1) + 1
        callback.after_step(trainer, None, Hits(torch.tensor(epoch == 9), 1))
        callback.on_train_epoch_end(trainer, None)
    assert [(each.step, each.epoch, each.reason) for each in callback.saved] == [
        (31, 9, "check"), (61, 19, "epoch"), (91, 29, "epoch")
    ]  # fmt: skip


def test_what_is_saved_because_it_is_time_does_not_become_the_best(tmp_path):
    """Only a check sets ``acc_best`` (Algorithm 1, step 4): the gates that follow are measured from there."""
    trainer, callback = FakeTrainer(), checker(tmp_path, every_steps=10, every_epochs=1)
    for step, hundredths in ((1, 30), (5, 90), (11, 50)):
        trainer.global_step = step
        callback.after_step(trainer, None, Hits(torch.tensor(hundredths), 100))
        if step == 5:
            callback.on_train_epoch_end(trainer, None)
            assert callback.best == 0.3
    assert [(each.step, each.reason, each.accuracy) for each in callback.saved] == [
        (1, "check", 0.3), (5, "epoch", 0.9), (11, "check", 0.5)
    ]  # fmt: skip


def test_a_resume_removes_what_its_state_does_not_know(tmp_path):
    trainer, callback = FakeTrainer(), checker(tmp_path)
    trainer.global_step = 1
    callback.after_step(trainer, None, Hits(torch.tensor(1), 2))
    for name in ("step-000999.ckpt", "best.ckpt", "last.ckpt"):
        (tmp_path / name).write_bytes(b"weights")
    resumed = checker(tmp_path)
    resumed.load_state_dict(callback.state_dict())
    resumed.on_train_start(trainer, None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.ckpt", "last.ckpt", "step-000001.ckpt"]


def test_levels_must_rise_and_a_schedule_beside_it_is_refused(tmp_path):
    with pytest.raises(ValidationError, match="levels must rise"):
        CheckAndAdjustConfig(enabled=True, levels=LEVELS[::-1])
    with pytest.raises(ValidationError, match="one level or more"):
        CheckAndAdjustConfig(enabled=True)
    with pytest.raises(UserError, match="set scheduler=none"):
        small_config(tmp_path, *CHECKS, "scheduler=cosine")
    small_config(tmp_path, *CHECKS)


def test_the_group_of_the_paper_composes(tmp_path):
    callbacks = small_config(tmp_path, "callbacks=paper_002").callbacks
    assert callbacks.check_and_adjust.enabled
    assert callbacks.early_break.enabled
    assert callbacks.check_and_adjust.every_steps == 200
    assert callbacks.check_and_adjust.every_epochs == 10
    assert len(callbacks.check_and_adjust.levels) == 4
    with pytest.raises(ConfigCompositionException):
        small_config(tmp_path, "callbacks=paper_009")


class Watch(Callback):
    """Keeps the weights of every step and a copy of each checkpoint's score; may end the stretch."""

    def __init__(self, kill=None):
        self.kill, self.weights, self.rates = kill, {}, {}

    def on_train_batch_start(self, trainer, pl_module, *rest):
        if trainer.global_step == self.kill:
            raise RuntimeError("killed")

    def on_train_batch_end(self, trainer, pl_module, *rest):
        self.weights[trainer.global_step] = {name: value.clone() for name, value in pl_module.state_dict().items()}
        self.rates[trainer.global_step] = trainer.optimizers[0].param_groups[0]["lr"]


def train(config, run, *extra):
    model = build_classifier(config, ("hem", "all"), None)[0]
    return model, *train_stages(model, MemoryData(), config, run, extra)


def table(run):
    return pd.read_csv(run / "logs" / "1-all" / "check_and_adjust.csv")


def accuracy_of(model, weights):
    model.load_state_dict(weights)
    data = MemoryData()
    with torch.no_grad():
        called = model.eval()(data.images.float() / 255).squeeze(1) > 0
    return float((called.long() == torch.arange(32) % 2).float().mean())


def test_the_best_of_the_saved_checkpoints_is_the_stages_best_and_alone_stays(tmp_path):
    watch = Watch()
    config = small_config(tmp_path, *NET, *WHOLE, *CHECKS)
    model, stage = train(config, tmp_path / "run", watch)
    found = table(tmp_path / "run")
    assert list(found.columns) == ["step", "epoch", "reason", "accuracy", "lr", "val/acc"]
    assert len(found) >= 2
    assert 16 in found["step"].tolist()  # after the second epoch
    assert set(found.loc[found["reason"] == "check", "step"]) <= {1, 4, 7, 10, 13, 16, 19, 22}
    assert stage.best_of == "checks"
    assert stage.score == found["val/acc"].max()
    best = found.loc[found["val/acc"].idxmax(), "step"]
    assert all(torch.equal(value, watch.weights[best][name]) for name, value in model.state_dict().items())
    for step, score in zip(found["step"], found["val/acc"], strict=True):
        assert accuracy_of(model, watch.weights[step]) == pytest.approx(score)
    assert [path.name for path in (tmp_path / "run").rglob("*.ckpt")] == ["best.ckpt"]
    assert {watch.rates[step] for step in watch.rates} <= {0.01, 0.002, 0.001}
    assert watch.rates[24] < 0.01


@pytest.mark.parametrize("kill", [5, 8, 11, 18])
def test_a_resume_saves_what_an_undisturbed_run_saves(tmp_path, kill):
    config = small_config(tmp_path, *NET, *WHOLE, *CHECKS)
    whole, one = train(config, tmp_path / "whole")
    with pytest.raises(RuntimeError, match="killed"):
        train(config, tmp_path / "run", Watch(kill))
    folder = tmp_path / "run" / "checkpoints" / "1-all"
    (folder / ".step-000009-abc.ckpt").write_bytes(b"half")
    shutil.copy(folder / "last.ckpt", folder / "step-000999.ckpt")  # saved after the state that the resume starts from
    resumed, other = train(config, tmp_path / "run")
    assert (other.score, other.images_seen) == (one.score, one.images_seen)
    pd.testing.assert_frame_equal(table(tmp_path / "run"), table(tmp_path / "whole"))
    assert all(torch.equal(value, whole.state_dict()[name]) for name, value in resumed.state_dict().items())
    assert [path.name for path in folder.iterdir() if path.suffix == ".ckpt"] == ["best.ckpt"]


def test_killed_among_the_validations_it_validates_again(tmp_path, monkeypatch):
    config = small_config(tmp_path, *NET, *WHOLE, *CHECKS)
    with monkeypatch.context() as patch:
        patch.setattr("lightning_modules.stages.fit.write_json", lambda *_: (_ for _ in ()).throw(RuntimeError))
        with pytest.raises(RuntimeError):
            train(config, tmp_path / "run")
    watch = Watch()
    _, stage = train(config, tmp_path / "run", watch)
    assert not watch.weights
    assert stage.best_of == "checks"
    assert stage.score == table(tmp_path / "run")["val/acc"].max()


def test_where_nothing_was_saved_the_best_epoch_stands_in(tmp_path, monkeypatch):
    none = ["callbacks.check_and_adjust.every_epochs=null", "trainer.max_epochs=2",
            "callbacks.check_and_adjust.levels=[{above: 0.0, gate: 0.99, lr: 0.01}]"]  # fmt: skip
    config = small_config(tmp_path, *NET, *WHOLE, *CHECKS, *none)
    monkeypatch.setattr(CheckAndAdjust, "after_step", lambda *_: None)
    _, stage = train(config, tmp_path / "run")
    assert stage.best_of == "epochs"
    assert table(tmp_path / "run").empty
    assert (tmp_path / "run" / stage.best).exists()


def test_where_gradients_are_accumulated_a_mini_batch_is_all_that_a_step_is_made_of(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(CheckAndAdjust, "after_step", lambda self, trainer, model, hits: seen.append(hits.images))
    more = ["trainer.accumulate_grad_batches=3", "trainer.max_epochs=1"]
    train(small_config(tmp_path, *NET, *WHOLE, *CHECKS, *more), tmp_path / "run")
    assert seen == [12, 12, 8]


def test_averaged_weights_are_what_it_saves(tmp_path, monkeypatch):
    monkeypatch.setattr("lightning_modules.stages.fit.remove_saved", lambda folder: None)
    watch = Watch()
    config = small_config(tmp_path, *NET, *WHOLE, *CHECKS, "callbacks.averaging.enabled=true")
    _, stage = train(config, tmp_path / "run", watch)
    assert stage.best_of == "checks"
    files = sorted((tmp_path / "run").rglob("step-*.ckpt"))
    assert len(files) >= 2
    for file in files:
        step = int(file.stem.removeprefix("step-"))
        found = torch.load(file, weights_only=True)["state_dict"]
        assert found.keys() == watch.weights[step].keys()
        equal = torch.equal(found["backbone.conv1.weight"], watch.weights[step]["backbone.conv1.weight"])
        assert equal == (step == 1)  # the first average is the first weights
