"""The callbacks on their own: modes, states, seeds, and when the state for a resume is saved."""

import signal

import pytest
import torch
from pytorch_lightning import Callback

from karyocyte.common.errors import UserError
from karyocyte.common.preemption import Preempted
from karyocyte.config.schema import StageConfig
from karyocyte.runs.stages import RunStage
from lightning_modules.callbacks import resume
from lightning_modules.callbacks.resume import ResumeCheckpoint, StepSeed
from lightning_modules.callbacks.stage_watch import StageWatch
from tests.helpers.training import small_config
from tests.lightning_modules.tiny import MemoryData, build, quiet_trainer


@pytest.fixture
def model(tmp_path):
    return build(small_config(tmp_path, "model=resnet18", "model.cut=layer1"))


def fit(model, *callbacks, epochs=1):
    trainer = quiet_trainer(*callbacks, max_epochs=epochs, num_sanity_val_steps=0, use_distributed_sampler=False)
    trainer.fit(model, MemoryData())


def test_a_checkpoint_of_another_stage_is_refused():
    config = StageConfig(lr=1e-3)
    state = StageWatch(RunStage(0, "head", config, None), 2, 1, [8]).state_dict()
    with pytest.raises(UserError, match="of stage 'head', not 'finetune'"):
        StageWatch(RunStage(1, "finetune", config, None), 2, 1, [8]).load_state_dict(state)
    resumed = StageWatch(RunStage(0, "head", config, None), 2, 1, [8], seconds=5.0)
    resumed.load_state_dict(state | {"seconds": 100.0, "images_seen": 7})
    assert (resumed.seconds, resumed.images_seen) == (105.0, 7)


def test_what_dropout_draws_depends_on_seed_stage_epoch_and_batch_alone(model):
    drawn = {}

    class Watch(StepSeed):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            super().on_train_batch_start(trainer, pl_module, batch, batch_idx)
            drawn[self.seed, self.stage, trainer.current_epoch, batch_idx] = float(torch.rand(()))

    for seed, stage in ((0, 0), (0, 1), (1, 0)):
        torch.rand(17)
        fit(model, Watch(seed, stage), epochs=2)
    assert len(set(drawn.values())) == len(drawn) == 3 * 2 * 8
    first = dict(drawn)
    fit(model, Watch(0, 0), epochs=2)
    assert drawn == first


class MinuteSteps(ResumeCheckpoint):
    """Notes at which steps it saves, by a clock on which each step takes a minute."""

    def __init__(self, monkeypatch, *arguments, **how):
        super().__init__(*arguments, **how)
        self.monkeypatch = monkeypatch
        self.steps = []

    def on_train_start(self, trainer, pl_module):
        self.monkeypatch.setattr(resume.time, "monotonic", lambda: 60.0 * trainer.global_step)
        super().on_train_start(trainer, pl_module)

    def save(self, trainer):
        super().save(trainer)
        self.steps.append(trainer.global_step)


@pytest.mark.parametrize(
    ("how", "steps"),
    [
        ({"every_steps": 3}, [3, 6, 8]),  # 8 steps make the epoch
        ({"every_minutes": 2.5}, [3, 6, 8]),  # by a clock on which each step takes a minute
        ({"every_minutes": 100.0}, [8]),
        ({"every_steps": 4, "every_minutes": 2.5}, [3, 4, 7, 8]),
        ({}, [8]),
    ],
)
def test_the_state_is_saved_every_so_many_steps_or_minutes_into_one_file(model, tmp_path, monkeypatch, how, steps):
    save = MinuteSteps(monkeypatch, tmp_path / "deep" / "last.ckpt", **how)
    fit(model, save)
    assert save.steps == steps
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["last.ckpt"]


@pytest.mark.parametrize(("seconds", "saved"), [(1.0, [8, 64]), (0.1, [8, 16, 24, 32, 40, 48, 56, 64, 72])])
def test_saving_short_epochs_takes_two_per_cent_of_the_time(model, tmp_path, monkeypatch, seconds, saved):
    clock = [0.0]
    steps = []
    monkeypatch.setattr(resume.time, "monotonic", lambda: clock[0])

    class Save(ResumeCheckpoint):
        def on_train_batch_end(self, trainer, pl_module, *rest):
            clock[0] += 1.0
            super().on_train_batch_end(trainer, pl_module, *rest)

        def save(self, trainer):
            def save_checkpoint(path):
                clock[0] += seconds
                steps.append(trainer.global_step)

            monkeypatch.setattr(trainer, "save_checkpoint", save_checkpoint)
            super().save(trainer)

    fit(model, Save(tmp_path / "last.ckpt"), epochs=9)  # of eight steps
    assert steps == saved


@pytest.mark.parametrize(
    ("how", "best", "steps"),
    [
        ({"every_steps": 16}, [0, 0, 0, 0], [16, 32]),  # two epochs
        ({"every_minutes": 16.0}, [0, 0, 0, 0], [16, 32]),  # of a minute a step
        ({}, [0, 1, 1, 2], [16, 32]),
        ({}, [0, 0, 0, 0], []),
    ],
)
def test_what_is_due_or_a_new_best_is_saved_as_an_epoch_ends(model, tmp_path, monkeypatch, how, best, steps):
    monkeypatch.setattr(resume, "SHARE", -1)
    monkeypatch.setattr(resume, "_best_score", lambda trainer: best[trainer.current_epoch])
    save = MinuteSteps(monkeypatch, tmp_path / "last.ckpt", **how)
    fit(model, save, epochs=4)
    assert save.steps == steps


def test_an_epoch_at_whose_end_a_signal_waits_is_saved_before_the_training_leaves(model, tmp_path, monkeypatch):
    class Save(MinuteSteps):
        def on_train_epoch_end(self, trainer, pl_module):
            self._save_seconds = 1e9  # not worth it
            if trainer.current_epoch == 1:
                monkeypatch.setattr(resume.preemption, "pending", lambda: signal.SIGTERM)
            super().on_train_epoch_end(trainer, pl_module)

    save = Save(monkeypatch, tmp_path / "last.ckpt")
    with pytest.raises(Preempted):
        fit(model, save, epochs=4)
    assert save.steps == [16]


def test_a_fit_after_an_interrupted_one_logs_the_loss_of_its_own_epochs(model):
    class Leave(Callback):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            if batch_idx == 2:
                raise RuntimeError("left")

    class Losses(Callback):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            losses.append(outputs["loss"].item())

        def on_train_end(self, trainer, pl_module):
            logged.append(trainer.callback_metrics["train/loss"].item())

    losses, logged = [], []
    with pytest.raises(RuntimeError, match="left"):
        fit(model, Leave())
    fit(model, Losses())
    assert logged == [pytest.approx(sum(losses) / len(losses), abs=1e-6)]
