"""The averaged weights: their rule, what is validated and kept, what stays exact."""

import copy

import pytest
import torch
from pytorch_lightning import Callback

from common.errors import UserError
from lightning_modules.build import build_classifier
from lightning_modules.callbacks.ema import decay_after
from lightning_modules.checkpoint_io import load_checkpoint
from lightning_modules.stages.fit import train_stages
from tests.helpers.training import small_config
from tests.lightning_modules.memory_data import MemoryData

NET = ["model=resnet18", "model.cut=layer2", "head.layers=[gap,{dense:8},{dropout:0.5}]"]
AVERAGE = ["callbacks.averaging.enabled=true", "callbacks.averaging.decay=0.8"]
WHOLE = ["unfreeze=whole", "unfreeze.lr=0.01"]


class Steps(Callback):
    """Keeps the weights after each optimiser step, and what was validated."""

    def __init__(self):
        self.weights, self.validated = [], []

    def on_train_batch_end(self, trainer, pl_module, *rest):
        if trainer.fit_loop.epoch_loop._should_accumulate():
            return
        self.weights.append(copy.deepcopy(pl_module.state_dict()))

    def on_validation_epoch_end(self, trainer, pl_module):
        self.validated.append(float(trainer.callback_metrics["val/loss"]))


def train(config, run, *extra):
    model = build_classifier(config, ("hem", "all"), None)[0]
    return model, train_stages(model, MemoryData(), config, run, extra)


def average_of(weights, decay):
    """The rule of the documentation, written out in float64."""
    average = {name: value.double() for name, value in weights[0].items()}
    for count, newest in enumerate(weights[1:], start=1):
        share = 1 - min(decay, (1 + count) / (10 + count))
        for name, value in newest.items():
            average[name] += share * (value.double() - average[name])
    return average


def test_the_decay_rises_to_its_value_and_stays():
    assert [decay_after(count, 0.5) for count in (0, 1, 8, 9, 10_000)] == [0.1, 2 / 11, 0.5, 0.5, 0.5]


@pytest.mark.parametrize("accumulate", [1, 3])
def test_the_best_checkpoint_holds_the_average_of_the_weights_after_each_step(tmp_path, accumulate):
    steps = Steps()
    more = ["trainer.max_epochs=1", f"trainer.accumulate_grad_batches={accumulate}"]
    config = small_config(tmp_path, *NET, *AVERAGE, *WHOLE, *more)
    model, stages = train(config, tmp_path / "run", steps)
    assert len(steps.weights) == -(-8 // accumulate)
    found = torch.load(tmp_path / "run" / stages[-1].best, weights_only=True)["state_dict"]
    expected = average_of(steps.weights, 0.8)
    assert found.keys() == expected.keys()
    for name, value in found.items():
        if value.is_floating_point():
            torch.testing.assert_close(value.double(), expected[name], rtol=1e-4, atol=1e-6)
        else:
            assert value == steps.weights[-1][name]
    assert not torch.equal(found["backbone.conv1.weight"], steps.weights[-1]["backbone.conv1.weight"])
    assert all(torch.equal(value, found[name]) for name, value in model.state_dict().items())


def test_the_score_is_that_of_the_average(tmp_path):
    config = small_config(tmp_path, *NET, *AVERAGE, *WHOLE)
    model, stages = train(config, tmp_path / "run")
    load_checkpoint(model, tmp_path / "run" / stages[-1].best)
    data = MemoryData()
    model.eval()
    with torch.no_grad():
        logits = model(data.images.float() / 255)
    label = torch.arange(32) % 2
    assert float(model.loss(logits, label, weighted=False)) == pytest.approx(stages[-1].score, rel=1e-5)


def test_what_is_frozen_stays_bit_identical(tmp_path):
    config = small_config(tmp_path, *NET, *AVERAGE, "unfreeze=head_only", "trainer.max_epochs=3")
    before = build_classifier(config, ("hem", "all"), None)[0].backbone.state_dict()
    model, _ = train(config, tmp_path / "run")
    assert all(torch.equal(value, before[name]) for name, value in model.backbone.state_dict().items())


def test_the_training_itself_is_not_touched(tmp_path):
    plain, averaged = Steps(), Steps()
    train(small_config(tmp_path, *NET, *WHOLE), tmp_path / "plain", plain)
    train(small_config(tmp_path, *NET, *WHOLE, *AVERAGE), tmp_path / "averaged", averaged)
    for one, other in zip(plain.weights, averaged.weights, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert plain.validated != averaged.validated


def test_a_doubled_precision_is_averaged_too(tmp_path):
    config = small_config(tmp_path, *NET, *AVERAGE, *WHOLE, "trainer.precision=64-true", "trainer.max_epochs=1")
    _, stages = train(config, tmp_path / "run")
    found = torch.load(tmp_path / "run" / stages[-1].best, weights_only=True)["state_dict"]
    assert found["backbone.conv1.weight"].dtype == torch.float64


@pytest.mark.parametrize("precision", ["16-true", "bf16-true"])
def test_weights_of_16_bits_are_refused(tmp_path, precision):
    with pytest.raises(UserError, match="lost in 16-bit weights"):
        small_config(tmp_path, *NET, *AVERAGE, f"trainer.precision={precision}")


@pytest.mark.parametrize("kill", [5, 8, 11])
def test_resumed_in_mid_epoch_or_at_its_end_it_ends_with_the_same_bits(tmp_path, kill):
    config = small_config(tmp_path, *NET, *AVERAGE, *WHOLE, "callbacks.checkpoint.every_steps=2")
    whole, _ = train(config, tmp_path / "whole")

    class Kill(Callback):
        def on_train_batch_start(self, trainer, *rest):
            if trainer.global_step == kill:
                raise KeyboardInterrupt

    with pytest.raises((KeyboardInterrupt, SystemExit)):
        train(config, tmp_path / "run", Kill())
    rest = Steps()
    resumed, _ = train(config, tmp_path / "run", rest)
    assert len(rest.validated) == 2 - kill // 8  # it went on, and did not begin again
    assert all(torch.equal(value, whole.state_dict()[name]) for name, value in resumed.state_dict().items())
