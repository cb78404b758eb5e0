"""Staged unfreezing in one fit of a plain Trainer, against the fits of train.py, one for each stage."""

import pytest
import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from datamodules.samplers import EpochBatchSampler
from karyocyte.common.compat import position_in_epoch
from karyocyte.common.errors import UserError
from karyocyte.config.defaults import section_defaults
from karyocyte.config.schema import StageConfig
from karyocyte.runs.run import Run
from lightning_modules.build.create import create_classifier
from lightning_modules.callbacks.staged_unfreezing import Stage, StagedUnfreezing
from lightning_modules.training.fit import train_stages
from tests.helpers.training import small_config
from tests.lightning_modules.tiny import MemoryData, build, weights_of

EPOCHS = 2  # of each stage
STEPS = 8  # of an epoch
STAGES = {
    "head": EPOCHS,
    "finetune": Stage(epochs=EPOCHS, train=["layer2"], lr=0.004, head_lr=0.01, batchnorm="frozen", optimizer="sgd"),
    "more": Stage(epochs=EPOCHS, train=["layer1", "layer2"], lr=0.002),
}
OVERRIDES = [
    "model=resnet18",
    "model.cut=layer2",
    "head.layers=[gap,{dropout: 0.5}]",
    "scheduler=one_cycle",
    "unfreeze.stages.head.lr=0.05",
    "unfreeze.stages.finetune.train=[layer2]",
    "unfreeze.stages.finetune.lr=0.004",
    "unfreeze.stages.finetune.head_lr=0.01",
    "unfreeze.stages.finetune.batchnorm=frozen",
    "unfreeze.stages.finetune.optimizer={_target_: torch.optim.SGD, momentum: 0.9, nesterov: true}",
    "+unfreeze.stages.more={train: [layer1, layer2], lr: 0.002}",
]


class StageData(MemoryData):
    """The images of each epoch of a stage in the order of the same epoch of every other stage, as in fits of stages."""

    def train_dataloader(self):
        loader = super().train_dataloader()
        sampler = loader.batch_sampler
        assert isinstance(sampler, EpochBatchSampler)

        def position():
            epoch, batch = position_in_epoch(self.trainer)
            return epoch % EPOCHS, batch

        sampler.position = position
        return loader


class Trace(Callback):
    """Keeps what trains, with which rate, after each step, and the weights at the end of each epoch."""

    def __init__(self, kill: int | None = None, path=None):
        self.kill = kill
        self.path = path
        self.trained = []
        self.rates = []
        self.weights = []

    def on_train_batch_end(self, trainer, pl_module, *rest):
        self.trained.append({name for name, each in pl_module.named_parameters() if each.requires_grad})
        self.rates += [group["lr"] for group in trainer.optimizers[0].param_groups]
        if trainer.global_step % STEPS:
            self.kill_at(trainer)

    def on_train_epoch_end(self, trainer, pl_module):
        self.weights.append(weights_of(pl_module))
        self.kill_at(trainer)  # after the last step of an epoch Lightning itself saves here

    def kill_at(self, trainer):
        if trainer.global_step == self.kill:
            trainer.save_checkpoint(self.path)
            raise RuntimeError("killed")


def plain(*callbacks, **arguments):
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    return Trainer(callbacks=list(callbacks), accelerator="cpu", enable_checkpointing=False, **quiet, **arguments)


@pytest.fixture(scope="module")
def of_train_py(tmp_path_factory):
    """The first weights, what the fits of train.py did, and the losses of the validation."""
    tmp_path = tmp_path_factory.mktemp("run")
    config = small_config(tmp_path, *OVERRIDES)
    model = build(config)
    first = weights_of(model)
    trace = Trace()
    train_stages(model, StageData(), config, tmp_path / "run", [trace])
    return config, first, trace, Run(tmp_path / "run").history


def fresh(of_train_py):
    config, first, *_ = of_train_py
    model = build(config)
    model.load_state_dict(first)
    return model


def stages_with_rate():
    return {**STAGES, "head": Stage(epochs=EPOCHS, lr=0.05)}


def assert_same_course(ours, theirs):
    assert ours.trained == theirs.trained
    assert ours.rates == pytest.approx(theirs.rates, rel=1e-9)
    assert len(ours.weights) == len(theirs.weights) == 3 * EPOCHS
    for one, other in zip(ours.weights, theirs.weights, strict=True):
        torch.testing.assert_close(one, other)


def test_one_fit_trains_what_the_fits_of_train_py_train(of_train_py):
    *_, theirs, history = of_train_py
    # So that each stage of train.py starts from the last epoch of the one before: it was the best.
    for _, losses in history.groupby("stage")["val/loss"]:
        assert losses.is_monotonic_decreasing
    ours = Trace()
    model = fresh(of_train_py)
    plain(StagedUnfreezing(stages_with_rate()), ours).fit(model, StageData())
    assert_same_course(ours, theirs)


@pytest.mark.parametrize(
    "kill", [3, EPOCHS * STEPS, EPOCHS * STEPS + 1, 2 * EPOCHS * STEPS - 3, 3 * EPOCHS * STEPS - 1]
)
def test_a_fit_that_is_killed_within_a_stage_goes_on_to_the_same_weights(of_train_py, tmp_path, kill):
    *_, theirs, _ = of_train_py
    path = tmp_path / "last.ckpt"
    killed = Trace(kill, path)
    with pytest.raises(RuntimeError, match="killed"):
        plain(StagedUnfreezing(stages_with_rate()), killed).fit(fresh(of_train_py), StageData())
    resumed = Trace()
    model = create_classifier(
        "resnet18", 2, cut="layer2", image_size=32, head=["gap", {"dropout": 0.5}], scheduler="one_cycle"
    )
    plain(StagedUnfreezing(stages_with_rate()), resumed).fit(model, StageData(), ckpt_path=path)
    joined = Trace()
    for name in ("trained", "rates", "weights"):
        setattr(joined, name, getattr(killed, name) + getattr(resumed, name))
    assert_same_course(joined, theirs)


def test_the_head_trains_at_the_rate_of_head_only_and_a_stage_without_a_rate_at_that_of_the_model():
    model = create_classifier("resnet18", 2, cut="layer1", image_size=32, lr=0.03)
    trace = Trace()
    trainer = plain(StagedUnfreezing({"head": 1, "all": Stage(1, ["all"])}), trace)
    trainer.fit(model, MemoryData())
    assert (trainer.current_epoch, trace.rates) == (2, [1e-3] * STEPS + [0.03] * STEPS)
    assert trace.trained[0] == {"head.logits.weight", "head.logits.bias"}
    assert trace.trained[-1] == {name for name, _ in model.named_parameters()}


def test_the_head_alone_is_that_of_the_configuration():
    head = StageConfig.model_validate(section_defaults("unfreeze/head_only")["stages"]["head"])
    (stage,) = StagedUnfreezing({"head": 5}).stages.values()
    assert (tuple(stage.train), stage.lr, stage.batchnorm) == (head.train, head.lr, head.batchnorm)


def test_the_trainer_may_end_before_the_last_stage():
    model = create_classifier("resnet18", 2, cut="layer1", image_size=32)
    trainer = plain(StagedUnfreezing({"head": 5, "all": Stage(1, ["all"])}), max_epochs=1)
    trainer.fit(model, MemoryData())
    assert trainer.current_epoch == 1


@pytest.mark.parametrize(
    ("stages", "problem"),
    [
        ({}, "no stage"),
        ({"finetune": 3}, r"Stage\(epochs=3"),
        ({"head": 1, "last": Stage(1, train=["layer9"])}, "layer9"),
        ({"head": 1, "last": Stage(1, optimizer="adamx")}, "adamw"),
        ({"head": 1, "last": Stage(0)}, "max_epochs"),
        ({"head": 1, "last": Stage(1, batchnorm="on")}, "batchnorm"),
    ],
)
def test_a_wrong_stage_is_an_error_before_the_first_one_trains(stages, problem):
    model = create_classifier("resnet18", 2, cut="layer1", image_size=32)
    with pytest.raises(UserError, match=problem):
        plain(StagedUnfreezing(stages)).fit(model, MemoryData())


def test_a_module_without_stages_and_a_checkpoint_without_them_are_refused(tmp_path):
    with pytest.raises(UserError, match="create_classifier"):
        StagedUnfreezing({"head": 1}).setup(plain(), LightningModule(), "fit")
    model = create_classifier("resnet18", 2, cut="layer1", image_size=32)
    trainer = plain(max_epochs=1)
    trainer.fit(model, MemoryData())
    trainer.save_checkpoint(tmp_path / "whole.ckpt")
    with pytest.raises(UserError, match="not of head"):
        plain(StagedUnfreezing({"head": 2})).fit(model, MemoryData(), ckpt_path=tmp_path / "whole.ckpt")
