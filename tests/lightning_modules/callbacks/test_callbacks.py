"""The callbacks on their own: modes, states, and a checkpoint that is whole or absent."""

import pytest
import torch
from pytorch_lightning import Trainer

from common.config.schema import OptimizerConfig
from common.errors import UserError
from lightning_modules.build import build_classifier
from lightning_modules.callbacks import (
    Preemption,
    ResumeCheckpoint,
    StagedUnfreezing,
    StepSeed,
    resume_checkpoint,
)
from lightning_modules.classifier import StageSettings
from tests.helpers.training import small_config
from tests.lightning_modules.memory_data import MemoryData


@pytest.fixture
def model(tmp_path):
    return build_classifier(small_config(tmp_path, "model=resnet18", "model.cut=layer2"), ("hem", "all"), None)[0]


def fit(model, *callbacks, epochs=1):
    trainer = Trainer(
        max_epochs=epochs, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, num_sanity_val_steps=0, use_distributed_sampler=False, callbacks=list(callbacks),
    )  # fmt: skip
    trainer.fit(model, MemoryData())
    return trainer


def test_modes_after_a_validation_are_those_of_the_stage(model):
    stage = StageSettings(1e-3, OptimizerConfig(), train=("layer2",), batchnorm="frozen")
    modes = []

    class Watch(StagedUnfreezing):
        def on_train_batch_end(self, trainer, pl_module, *rest):
            super().on_train_batch_end(trainer, pl_module, *rest)
            modes.append({name: module.training for name, module in pl_module.backbone.named_modules()})

    fit(model, Watch("some", 0, stage), epochs=2)
    for seen in modes:
        assert not seen["bn1"]
        assert not seen["layer1.0.bn1"]
        assert not seen["layer2.0.bn1"]  # trains, but its statistics stay
        assert seen["layer2.0.conv1"]


def test_a_checkpoint_of_another_stage_is_refused():
    stage = StageSettings(1e-3, OptimizerConfig())
    state = StagedUnfreezing("head", 0, stage).state_dict()
    with pytest.raises(UserError, match="of stage 'head', not 'finetune'"):
        StagedUnfreezing("finetune", 1, stage).load_state_dict(state)


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
    again = dict(drawn)
    drawn.clear()
    fit(model, Watch(0, 0), epochs=2)
    assert all(again[key] == value for key, value in drawn.items())


def test_the_resume_checkpoint_is_one_file(model, tmp_path):
    path = tmp_path / "deep" / "last.ckpt"
    saving = ResumeCheckpoint(path, every_steps=3)
    fit(model, saving, Preemption(saving))
    assert [found.name for found in path.parent.iterdir()] == ["last.ckpt"]


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
def test_it_saves_in_mid_epoch_every_so_many_steps_or_minutes(model, tmp_path, monkeypatch, how, steps):
    saved = []

    class Save(ResumeCheckpoint):
        def on_train_start(self, trainer, pl_module):
            monkeypatch.setattr(resume_checkpoint.time, "monotonic", lambda: 60.0 * trainer.global_step)
            super().on_train_start(trainer, pl_module)

        def save(self, trainer):
            super().save(trainer)
            saved.append(trainer.global_step)

    saving = Save(tmp_path / "last.ckpt", **how)
    fit(model, saving, Preemption(saving))
    assert saved == steps
