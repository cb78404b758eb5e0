"""The early break of paper 002: exactly when both expectations are exceeded, and over interruptions."""

from types import SimpleNamespace

import pytest
import torch

from common.config.schema import EarlyBreakConfig
from lightning_modules.build import build_classifier
from lightning_modules.callbacks import EarlyBreak
from lightning_modules.callbacks.check_and_adjust import Hits
from lightning_modules.stages.fit import train_stages
from tests.helpers.training import small_config
from tests.lightning_modules.memory_data import MemoryData

NET = ["model=resnet18", "model.cut=layer1", "unfreeze=whole", "unfreeze.lr=0.01", "trainer.max_epochs=12"]
BREAK = ["callbacks.early_break.enabled=true", "callbacks.early_break.validation=0.9"]


def callback():
    return EarlyBreak(EarlyBreakConfig(enabled=True, validation=0.9, train=0.8, batches=5))


def epoch(broken, hundredths, validation):
    """One epoch of mini-batches and its validation; True where the stage is to end."""
    trainer = SimpleNamespace(should_stop=False, callback_metrics={"val/acc": torch.tensor(validation)})
    for correct in hundredths:
        broken.after_step(trainer, None, Hits(torch.tensor(correct), 100))
        assert not trainer.should_stop  # never in mid-epoch
    broken.on_validation_end(trainer, None)
    return trainer.should_stop


@pytest.mark.parametrize(
    ("hundredths", "validation", "stops"),
    [
        pytest.param([81] * 5, 0.91, True, id="both exceeded"),
        pytest.param([10, 81, 82, 83, 84, 85], 0.91, True, id="only the last five count"),
        pytest.param([81] * 5, 0.9, False, id="validation met, not exceeded"),
        pytest.param([81, 81, 80, 81, 81], 0.95, False, id="one mini-batch met, not exceeded"),
        pytest.param([81] * 5 + [10], 0.95, False, id="five in a row, but not the last"),
        pytest.param([100] * 4, 0.95, False, id="only four so far"),
        pytest.param([100] * 5, 0.5, False, id="validation far below"),
    ],
)
def test_it_fires_exactly_when_both_are_exceeded(hundredths, validation, stops):
    assert epoch(callback(), hundredths, validation) is stops


def test_the_row_may_reach_into_the_epoch_before_and_is_asked_anew_after_each_epoch():
    broken = callback()
    assert not epoch(broken, [90, 90, 90], 0.95)
    assert not epoch(broken, [90], 0.95)
    assert epoch(broken, [90], 0.95)


def test_its_state_survives(tmp_path):
    broken = callback()
    epoch(broken, [10, 90, 90, 90, 90], 0.95)
    torch.save(broken.state_dict(), tmp_path / "state")
    resumed = callback()
    resumed.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    assert epoch(resumed, [90], 0.95)
    again, trainer = callback(), SimpleNamespace(should_stop=False)
    again.load_state_dict(resumed.state_dict())
    again.on_train_start(trainer, None)
    assert trainer.should_stop


def train(config, run):
    return train_stages(build_classifier(config, ("hem", "all"), None)[0], MemoryData(), config, run)[0]


def test_a_stage_ends_with_it_and_trains_no_further_epoch_on_a_resume(tmp_path, monkeypatch):
    more = ["callbacks.early_break.train=0.7", "callbacks.early_break.batches=2"]
    config = small_config(tmp_path, *NET, *BREAK, *more)
    whole = train(config, tmp_path / "whole")
    assert 1 <= whole.epochs < 12
    with monkeypatch.context() as patch:
        patch.setattr("lightning_modules.stages.fit.write_json", lambda *_: (_ for _ in ()).throw(RuntimeError))
        with pytest.raises(RuntimeError):  # killed after the last epoch, before the stage counts as finished
            train(config, tmp_path / "run")
    resumed = train(config, tmp_path / "run")
    assert (resumed.epochs, resumed.images_seen) == (whole.epochs, whole.images_seen)


def test_expectations_that_nothing_exceeds_end_nothing(tmp_path):
    never = ["callbacks.early_break.validation=1.0", "trainer.max_epochs=3"]
    assert train(small_config(tmp_path, *NET, *BREAK, *never), tmp_path / "run").epochs == 3
