"""The averaged weights: their rule, what is validated and saved, what stays exact."""

import pytest
import torch
from pytorch_lightning import Callback

from karyocyte.common.errors import UserError
from tests.helpers.training import small_config
from tests.lightning_modules.tiny import MemoryData, Watch, assert_equal_weights, build, train

NET = ["model=resnet18", "model.cut=layer2", "head.layers=[gap,{dense:8},{dropout:0.5}]"]
AVERAGE = ["callbacks.averaging.enabled=true", "callbacks.averaging.decay=0.8"]
WHOLE = ["unfreeze=whole", "unfreeze.lr=0.01"]


class OwnAverage(Callback):
    """Validates other weights than it leaves, as averages of other packages do; or changes them at the end."""

    def __init__(self, at_end: bool) -> None:
        self.at_end = at_end

    def on_validation_start(self, trainer, pl_module):
        pl_module.head.logits.bias.data += int(not self.at_end)

    def on_validation_end(self, trainer, pl_module):
        pl_module.head.logits.bias.data -= int(not self.at_end)

    def on_train_end(self, trainer, pl_module):
        pl_module.head.logits.bias.data += int(self.at_end)


@pytest.mark.parametrize("at_end", [False, True])
def test_a_callback_that_leaves_other_weights_than_were_validated_is_refused(tmp_path, at_end):
    own = f"+callbacks.extra.own={{_target_: {OwnAverage.__module__}.OwnAverage, at_end: {at_end}}}"
    with pytest.raises(UserError, match="callbacks.extra: own leaves other weights"):
        train(small_config(tmp_path, *NET, *WHOLE, "trainer.max_epochs=1", own), tmp_path / "run")


def test_averages_of_lightning_are_validated_and_kept(tmp_path):
    lightnings = "+callbacks.extra.own={_target_: pytorch_lightning.callbacks.EMAWeightAveraging, decay: 0.5}"
    model, (stage,) = train(small_config(tmp_path, *NET, *WHOLE, lightnings), tmp_path / "run")
    with torch.no_grad():
        logits = model.eval()(MemoryData().images.float() / 255)
    assert float(model.validation_loss(logits, torch.arange(32) % 2)) == pytest.approx(stage.score, rel=1e-5)


def average_of(weights, decay):
    """The rule of the documentation, written out in float64."""
    average = {name: value.double() for name, value in weights[0].items()}
    for count, newest in enumerate(weights[1:], start=1):
        share = 1 - min(decay, (1 + count) / (10 + count))
        for name, value in newest.items():
            average[name] += share * (value.double() - average[name])
    return average


@pytest.mark.parametrize("accumulate", [1, 3])
def test_the_best_checkpoint_holds_the_average_of_the_weights_after_each_step(tmp_path, accumulate):
    watch = Watch()
    more = ["trainer.max_epochs=1", f"trainer.accumulate_grad_batches={accumulate}"]
    model, stages = train(small_config(tmp_path, *NET, *AVERAGE, *WHOLE, *more), tmp_path / "run", watch)
    weights = list(watch.weights.values())
    assert len(weights) == -(-8 // accumulate)
    saved = torch.load(tmp_path / "run" / stages[-1].best, weights_only=True)["state_dict"]
    expected = average_of(weights, 0.8)
    assert saved.keys() == expected.keys()
    for name, value in saved.items():
        if value.is_floating_point():
            torch.testing.assert_close(value.double(), expected[name], rtol=1e-4, atol=1e-6)
        else:
            assert value == weights[-1][name]
    assert not torch.equal(saved["backbone.conv1.weight"], weights[-1]["backbone.conv1.weight"])
    assert_equal_weights(model, saved)


def test_the_score_is_that_of_the_average_and_the_training_itself_is_not_touched(tmp_path):
    averaged, plain = Watch(), Watch()
    model, (stage,) = train(small_config(tmp_path, *NET, *AVERAGE, *WHOLE), tmp_path / "run", averaged)
    with torch.no_grad():
        logits = model.eval()(MemoryData().images.float() / 255)
    assert float(model.validation_loss(logits, torch.arange(32) % 2)) == pytest.approx(stage.score, rel=1e-5)
    train(small_config(tmp_path, *NET, *WHOLE), tmp_path / "plain", plain)
    for step, weights in plain.weights.items():
        assert_equal_weights(weights, averaged.weights[step])
    assert plain.validated != averaged.validated


def test_what_is_frozen_stays_bit_identical(tmp_path):
    config = small_config(tmp_path, *NET, *AVERAGE, "unfreeze=head_only", "trainer.max_epochs=3")
    model, _ = train(config, tmp_path / "run")
    assert_equal_weights(model.backbone, build(config).backbone)
