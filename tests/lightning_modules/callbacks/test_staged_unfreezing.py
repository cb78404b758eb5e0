"""Staged unfreezing in one fit of a plain Trainer, against the fits of train.py, one for each stage."""

import socket

import pytest
import torch
from pytorch_lightning import Callback, LightningModule
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from datamodules.samplers import EpochBatchSampler
from karyocyte.common.compat import position_in_epoch
from karyocyte.common.errors import UserError
from karyocyte.runs.run import Run
from lightning_modules.build.create import create_classifier
from lightning_modules.callbacks.staged_unfreezing import Stage, StagedUnfreezing
from lightning_modules.training.fit import StagedTraining
from tests import processes
from tests.helpers.training import small_config
from tests.lightning_modules.tiny import MemoryData, assert_equal_weights, build, quiet_trainer, weights_of

EPOCHS = 2  # of each stage
STEPS = 8  # of an epoch
STAGES = {
    "head": Stage(epochs=EPOCHS, lr=0.05),
    "finetune": Stage(epochs=EPOCHS, train=["layer2"], lr=0.004, head_lr=0.01, batchnorm="frozen", optimizer="sgd"),
    "more": Stage(epochs=EPOCHS, train=["layer1", "layer2"], lr=0.002),
}
FINETUNE = ["train=[layer2]", "lr=0.004", "head_lr=0.01", "batchnorm=frozen"]
FINETUNE += ["optimizer={_target_: torch.optim.SGD, momentum: 0.9, nesterov: true}"]
OVERRIDES = ["model=resnet18", "model.cut=layer2", "head.layers=[gap,{dropout: 0.5}]", "scheduler=one_cycle"]
OVERRIDES += ["unfreeze.stages.head.lr=0.05", *(f"unfreeze.stages.finetune.{words}" for words in FINETUNE)]
OVERRIDES += ["+unfreeze.stages.more={train: [layer1, layer2], lr: 0.002}"]
KILLS = [3, EPOCHS * STEPS, EPOCHS * STEPS + 1, 3 * EPOCHS * STEPS - 1]
# Of a module of one's own; the best, the largest loss, is not the last.
OWN = {"head": Stage(2), "body": Stage(2, ["body", "head"], lr=0.01, batchnorm="frozen"), "all": Stage(1, ["all"])}
FROM_BEST = {"start_from": "best", "mode": "max"}


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


class Net(LightningModule):
    """A module of one's own, with the habits of Lightning: layers as attributes, a rate in hparams, a schedule."""

    def __init__(self, lr=0.02):
        super().__init__()
        self.save_hyperparameters()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 5, 4), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2))
        self.head = nn.Linear(4 * 7 * 7, 2)

    def training_step(self, batch, batch_idx):
        return nn.functional.cross_entropy(self.head(self.body(batch[0])), batch[1])

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", self.training_step(batch, batch_idx), sync_dist=True)

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=self.hparams.lr, momentum=0.9)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, steps - 1)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def fit_net(ckpt_path=None, **arguments):
    """Fit the module of one's own to loaders of one's own, one of which shuffles; return it, its trainer and trace."""
    torch.manual_seed(0)
    net, trace = Net(), Trace()
    images = TensorDataset(torch.rand(32, 3, 32, 32), torch.arange(32) % 2)
    trainer = quiet_trainer(StagedUnfreezing(OWN, **FROM_BEST, monitor="val_loss"), trace, **arguments)
    loaders = DataLoader(images, batch_size=4, shuffle=True), DataLoader(images, batch_size=8)
    trainer.fit(net, *loaders, ckpt_path=ckpt_path)
    return net, trainer, trace


class Trace(Callback):
    """Keeps what trains, with which rate, after each step, and the weights at the end of each epoch."""

    def __init__(self, kill=None, path=None):
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


@pytest.fixture(scope="module")
def of_train_py(tmp_path_factory):
    """The first weights, and by mode what the fits of train.py did; the loss falls: the largest is the first."""
    config = small_config(tmp_path_factory.mktemp("run"), *OVERRIDES)
    first = weights_of(build(config))
    traces = {"min": Trace(), "max": Trace()}
    for mode, trace in traces.items():
        run = tmp_path_factory.mktemp(mode)
        StagedTraining(fresh((config, first)), StageData(), config, run, [trace], mode=mode).train()
        for _, losses in Run(run).history.groupby("stage")["val/loss"]:
            assert losses.is_monotonic_decreasing
    return config, first, traces


def fresh(of_train_py):
    config, first, *_ = of_train_py
    model = build(config)
    model.load_state_dict(first)
    return model


def assert_same_course(ours, theirs):
    assert ours.trained == theirs.trained
    assert ours.rates == theirs.rates
    assert len(ours.weights) == len(theirs.weights) == 3 * EPOCHS
    for one, other in zip(ours.weights, theirs.weights, strict=True):
        assert_equal_weights(one, other)


@pytest.mark.parametrize("start", [{"start_from": "last"}, {"start_from": "best"}, FROM_BEST])
def test_one_fit_trains_bit_for_bit_what_the_fits_of_train_py_train(of_train_py, start):
    *_, theirs = of_train_py
    ours = Trace()
    quiet_trainer(StagedUnfreezing(STAGES, **start), ours).fit(fresh(of_train_py), StageData())
    assert_same_course(ours, theirs[start.get("mode", "min")])


@pytest.mark.parametrize("kill", KILLS)
def test_a_fit_that_is_killed_within_a_stage_goes_on_to_the_same_weights(of_train_py, tmp_path, kill):
    *_, theirs = of_train_py
    path = tmp_path / "last.ckpt"
    killed, resumed, joined = Trace(kill, path), Trace(), Trace()
    with pytest.raises(RuntimeError, match="killed"):
        quiet_trainer(StagedUnfreezing(STAGES, **FROM_BEST), killed).fit(fresh(of_train_py), StageData())
    head = ["gap", {"dropout": 0.5}]
    model = create_classifier("resnet18", 2, cut="layer2", image_size=32, head=head, scheduler="one_cycle")
    quiet_trainer(StagedUnfreezing(STAGES, **FROM_BEST), resumed).fit(model, StageData(), ckpt_path=path)
    for name in ("trained", "rates", "weights"):
        setattr(joined, name, getattr(killed, name) + getattr(resumed, name))
    assert_same_course(joined, theirs["max"])


def test_a_module_of_ones_own_trains_in_stages_with_its_own_optimiser(tmp_path):
    net, trainer, trace = fit_net()
    assert trace.trained[0] == trace.trained[2 * STEPS - 1] == {"head.weight", "head.bias"}
    assert trace.trained[2 * STEPS] == trace.trained[-1] == {name for name, _ in net.named_parameters()}
    starts = [trace.rates[step] for step in (0, 2 * STEPS, 4 * STEPS)]
    assert starts == pytest.approx([0.02, 0.01, 0.02], rel=0.15)  # after a step
    assert trace.rates[2 * STEPS - 1] == pytest.approx(0.002)  # the schedule ends with its stage
    assert (net.hparams.lr, trainer.max_epochs) == (0.02, 5)
    moved = {name for name in trace.weights[1] if not torch.equal(trace.weights[1][name], trace.weights[0][name])}
    assert moved == {"head.weight", "head.bias"}  # BatchNorm keeps its statistics, also in the second stage
    assert torch.equal(trace.weights[3]["body.1.running_mean"], trace.weights[0]["body.1.running_mean"])
    assert not torch.equal(trace.weights[4]["body.1.running_mean"], trace.weights[0]["body.1.running_mean"])


def fit_net_thrice(folder, devices):
    """Fit at once, then up to the middle of the second stage, and on from there; leave weights of each process."""
    begun = folder / "begun.ckpt"
    for name, how in {"whole": {}, "begun": {"max_epochs": 3}, "resumed": {"ckpt_path": begun}}.items():
        _, trainer, trace = fit_net(**how, devices=devices, strategy="ddp" if devices > 1 else "auto")
        if name == "begun":
            trainer.save_checkpoint(begun)
        torch.save(trace.weights[-2:], folder / f"{name}-{trainer.global_rank}.pt")


@pytest.mark.parametrize("devices", [1, 2])
def test_a_loader_that_shuffles_goes_on_to_the_same_weights_on_several_devices_too(tmp_path, devices):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        meeting = {"NODE_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(probe.getsockname()[1])}
    started = []
    for rank in range(devices):
        environment = {**meeting, "LOCAL_RANK": str(rank)}
        started.append(processes.start(tmp_path / f"{rank}.txt", environment, fit_net_thrice, tmp_path, devices))
    for rank, process in enumerate(started):
        assert processes.exit_code(process) == 0, (tmp_path / f"{rank}.txt").read_text()
    paths = [*sorted(tmp_path.glob("whole-*.pt")), *sorted(tmp_path.glob("resumed-*.pt"))]
    whole, *others = map(torch.load, paths)
    assert len(others) == 2 * devices - 1
    for other in others:
        for ours, theirs in zip(whole, other, strict=True):  # after each of the last epochs
            assert_equal_weights(ours, theirs)


def test_a_number_of_epochs_trains_the_head_as_head_only_does_and_a_stage_without_a_rate_has_that_of_the_model():
    assert StagedUnfreezing({"head": 5}).stages == {"head": Stage(5, lr=1e-3, batchnorm="frozen")}
    model = create_classifier("resnet18", 2, cut="layer1", image_size=32, lr=0.03)
    trace = Trace()
    trainer = quiet_trainer(StagedUnfreezing({"head": 1, "all": Stage(1, ["all"])}), trace)
    trainer.fit(model, MemoryData())
    assert (trainer.current_epoch, trace.rates) == (2, [1e-3] * STEPS + [0.03] * STEPS)
    assert trace.trained[0] == {"head.logits.weight", "head.logits.bias"}
    assert trace.trained[-1] == {name for name, _ in model.named_parameters()}


def test_the_trainer_may_end_before_the_last_stage():
    model = create_classifier("resnet18", 2, cut="layer1", image_size=32)
    trainer = quiet_trainer(StagedUnfreezing({"head": 5, "all": Stage(1, ["all"])}), max_epochs=1)
    trainer.fit(model, MemoryData())
    assert trainer.current_epoch == 1


@pytest.mark.parametrize(
    ("stages", "how", "problem"),
    [
        ({}, {}, "no stage"),
        ({"finetune": 3}, {}, "give a Stage"),
        ({"head": 1}, {"start_from": "first"}, "say best or last"),
        ({"head": 1}, {"start_from": "best", "monitor": "val_loss"}, "val_loss is not logged: .*val/loss"),
        ({"head": 1, "last": Stage(1, train=["layer9"])}, {}, "layer9"),
        ({"head": 1, "last": Stage(1, optimizer="adamx")}, {}, "adamw"),
        ({"head": 1, "last": Stage(0)}, {}, "max_epochs"),
        ({"head": 1, "last": Stage(1, batchnorm="on")}, {}, "batchnorm"),
    ],
)
def test_a_wrong_stage_is_an_error_before_the_first_one_has_trained(stages, how, problem):
    model = create_classifier("resnet18", 2, cut="layer1", image_size=32)
    with pytest.raises(UserError, match=problem):
        quiet_trainer(StagedUnfreezing(stages, **how)).fit(model, MemoryData())


@pytest.mark.parametrize(
    ("stage", "problem"),
    [
        (Stage(1, ["body.9"]), "body.0"),
        (Stage(1, ["body"], lr=0.1, head_lr=0.2), "leave out optimizer and head_lr"),
        (Stage(1, lr=0.1), "let it read self.lr"),
    ],
)
def test_what_a_module_of_ones_own_cannot_do_is_an_error(stage, problem):
    net = Net()
    if stage.lr and not stage.train:
        net.hparams.pop("lr")
    with pytest.raises(UserError, match=problem):
        StagedUnfreezing({"own": stage}).setup(quiet_trainer(), net, "fit")


def test_a_stage_without_any_finite_metric_has_no_best_weights():
    class Undefined(Net):
        def validation_step(self, batch, batch_idx):
            self.log("val/loss", torch.nan)

    loader = DataLoader(TensorDataset(torch.rand(8, 3, 32, 32), torch.arange(8) % 2), batch_size=4)
    with pytest.raises(UserError, match="stage 1: val/loss was no finite number"):
        quiet_trainer(StagedUnfreezing(OWN, start_from="best")).fit(Undefined(), loader, loader)


def test_a_checkpoint_without_stages_is_refused(tmp_path):
    model = create_classifier("resnet18", 2, cut="layer1", image_size=32)
    trainer = quiet_trainer(max_epochs=1)
    trainer.fit(model, MemoryData())
    trainer.save_checkpoint(tmp_path / "whole.ckpt")
    with pytest.raises(UserError, match="not of head"):
        quiet_trainer(StagedUnfreezing({"head": 2})).fit(model, MemoryData(), ckpt_path=tmp_path / "whole.ckpt")
