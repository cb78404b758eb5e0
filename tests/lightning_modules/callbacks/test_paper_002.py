"""Check and adjust (Algorithm 1 of paper 002) and its early break, by hand and in a training, over interruptions."""

import shutil
from dataclasses import asdict
from types import SimpleNamespace

import pandas as pd
import pytest
import torch

from karyocyte.common.errors import UserError
from karyocyte.config.schema import StageConfig
from karyocyte.runs.stages import RunStage
from lightning_modules.callbacks.paper_002 import AdjustLevel, CheckAndAdjust, EarlyBreak, half_precision
from tests.helpers.training import small_config
from tests.lightning_modules.tiny import MemoryData, Watch, assert_equal_weights, train

LEVELS = (
    AdjustLevel(above=0.2, gate=0.15, lr=1e-3),
    AdjustLevel(above=0.5, gate=0.1, lr=5e-4),
    AdjustLevel(above=0.8, gate=0.05, lr=2e-4),
)
OWN = 1e-2

NET = ["model=resnet18", "model.cut=layer1", "head.layers=[gap,{dense:8},{dropout:0.5}]"]
WHOLE = ["unfreeze=whole", "unfreeze.lr=0.01", "callbacks.monitor=val/acc"]
CHECKS = [
    "callbacks.check_and_adjust.enabled=true", "callbacks.check_and_adjust.every_steps=3",
    "callbacks.check_and_adjust.every_epochs=2", "callbacks.checkpoint.every_steps=2", "trainer.max_epochs=3",
    "callbacks.check_and_adjust.levels=[{above: 0.3, gate: 0.1, lr: 0.002},{above: 0.6, gate: 0.2, lr: 0.001}]",
]  # fmt: skip


class Checker(CheckAndAdjust):
    """The callback with what it asks of a trainer."""

    def __init__(self, folder, every_steps=1, every_epochs=None):
        stage = RunStage(0, "all", StageConfig(lr=OWN), folder)
        super().__init__(every_steps, every_epochs, [asdict(level) for level in LEVELS], stage)
        optimizer = SimpleNamespace(param_groups=[{"lr": OWN}, {"lr": OWN}])
        strategy = SimpleNamespace(save_checkpoint=torch.save)
        self.trainer = SimpleNamespace(optimizers=[optimizer], callbacks=[], is_global_zero=True, strategy=strategy)
        self.model = torch.nn.Linear(2, 1)

    def step(self, number, hundredths, epoch=0):
        """Take the step of this number, with this accuracy of its mini-batch."""
        self.trainer.global_step, self.trainer.current_epoch = number, epoch
        self.after_step(self.trainer, self.model, torch.tensor([hundredths, 100]))

    def end_epoch(self):
        self.on_train_epoch_end(self.trainer, self.model)


def test_the_algorithm_by_hand(tmp_path):
    """(accuracy in hundredths) -> (rate, saved?): the level is that of the best BEFORE the check."""
    callback = Checker(tmp_path)
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
    for number, (hundredths, rate, saved) in enumerate(by_hand, start=1):
        before = len(callback.saved)
        callback.step(number, hundredths)
        assert [group["lr"] for group in callback.trainer.optimizers[0].param_groups] == [rate, rate]
        assert len(callback.saved) - before == saved, number
        best = hundredths / 100 if saved else best
        assert callback.best == best
    assert [(each.step, each.accuracy) for each in callback.saved] == [(1, 0.1), (3, 0.6), (7, 0.71), (8, 0.95)]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(each.file for each in callback.saved)


def test_checkpoints_round_the_weights_that_half_precision_can_hold(tmp_path):
    callback = Checker(tmp_path)
    callback.model = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.BatchNorm1d(1), torch.nn.Linear(1, 1))
    with torch.no_grad():
        callback.model[0].weight.fill_(1 + 2**-12)
        callback.model[2].weight.fill_(1e6)
    callback.step(1, 50)
    saved = torch.load(tmp_path / "step-000001.ckpt", weights_only=True)["state_dict"]
    assert saved["0.weight"].dtype == torch.float16
    assert saved["0.weight"].tolist() == [[1.0, 1.0]]
    assert saved["2.weight"].tolist() == [[1e6]]
    own = callback.model.state_dict()
    assert all(torch.equal(saved[name], own[name]) for name in own if name != "0.weight")


def test_a_rounding_passes_no_gate(tmp_path):
    assert 0.8 - 0.7 > 0.1
    callback = Checker(tmp_path)
    for number, hundredths in enumerate((70, 80, 81), start=1):
        callback.step(number, hundredths)
    assert [each.accuracy for each in callback.saved] == [0.7, 0.81]


def test_every_ten_epochs_it_saves_regardless_but_nothing_twice(tmp_path):
    callback = Checker(tmp_path, every_steps=30, every_epochs=10)
    for epoch in range(30):
        callback.step(3 * (epoch + 1) + 1, 100 * (epoch == 9), epoch)
        callback.end_epoch()
    assert [(each.step, each.epoch, each.reason) for each in callback.saved] == [
        (31, 9, "check"), (61, 19, "epoch"), (91, 29, "epoch")
    ]  # fmt: skip


def test_what_is_saved_because_it_is_time_does_not_become_the_best(tmp_path):
    """Only a check sets ``acc_best`` (Algorithm 1, step 4): the gates that follow are measured from there."""
    callback = Checker(tmp_path, every_steps=10, every_epochs=1)
    callback.step(1, 30)
    callback.step(5, 90)
    callback.end_epoch()
    assert callback.best == 0.3
    callback.step(11, 50)
    assert [(each.step, each.reason, each.accuracy) for each in callback.saved] == [
        (1, "check", 0.3), (5, "epoch", 0.9), (11, "check", 0.5)
    ]  # fmt: skip


def test_levels_must_rise_and_a_schedule_beside_it_is_refused(tmp_path):
    stage = RunStage(0, "all", StageConfig(lr=OWN), tmp_path)
    for levels in ([asdict(level) for level in LEVELS[::-1]], []):
        with pytest.raises(ValueError, match="one or more, each `above` larger"):
            CheckAndAdjust(200, None, levels, stage)
    with pytest.raises(UserError, match="set `scheduler=none`"):
        small_config(tmp_path, *CHECKS, "scheduler=cosine")


def table(run):
    return pd.read_csv(run / "logs" / "1-all" / "check_and_adjust.csv")


def as_saved(weights):
    """Return weights after they were rounded to half precision in a checkpoint."""
    return {name: values.to(weights[name].dtype) for name, values in half_precision(weights).items()}


def validation_accuracy(model, weights):
    model.load_state_dict(weights)
    with torch.no_grad():
        positive = model.eval()(MemoryData().images.float() / 255).squeeze(1) > 0
    return float((positive.long() == torch.arange(32) % 2).float().mean())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An undisturbed training with checks: its run, model, stage and watch."""
    home, watch = tmp_path_factory.mktemp("whole"), Watch()
    model, (stage,) = train(small_config(home, *NET, *WHOLE, *CHECKS), home / "run", watch)
    return SimpleNamespace(run=home / "run", model=model, stage=stage, watch=watch)


def test_the_best_of_the_saved_checkpoints_is_the_stages_best_and_alone_stays(whole):
    saved = table(whole.run)
    assert list(saved.columns) == ["step", "epoch", "reason", "accuracy", "lr", "val/acc"]
    assert len(saved) >= 2
    assert 16 in saved["step"].tolist()  # after the second epoch
    assert set(saved.loc[saved["reason"] == "check", "step"]) <= {1, 4, 7, 10, 13, 16, 19, 22}
    assert whole.stage.score == saved["val/acc"].max()
    best = saved.loc[saved["val/acc"].idxmax(), "step"]
    final = {name: value.clone() for name, value in whole.model.state_dict().items()}
    assert_equal_weights(final, as_saved(whole.watch.weights[best]))
    for step, score in zip(saved["step"], saved["val/acc"], strict=True):
        assert validation_accuracy(whole.model, as_saved(whole.watch.weights[step])) == pytest.approx(score)
    whole.model.load_state_dict(final)
    assert [path.name for path in whole.run.rglob("*.ckpt")] == ["best.ckpt"]
    assert set(whole.watch.rates) <= {0.01, 0.002, 0.001}
    assert whole.watch.rates[-1] < 0.01


@pytest.mark.parametrize("kill", [5, 8, 18])
def test_a_resume_saves_what_an_undisturbed_run_saves(tmp_path, whole, kill):
    config = small_config(tmp_path, *NET, *WHOLE, *CHECKS)
    with pytest.raises(RuntimeError, match="killed"):
        train(config, tmp_path / "run", Watch(kill))
    folder = tmp_path / "run" / "checkpoints" / "1-all"
    (folder / ".step-000009-abc.ckpt").write_bytes(b"half")
    shutil.copy(folder / "last.ckpt", folder / "step-000999.ckpt")  # saved after the state that the resume starts from
    resumed, (stage,) = train(config, tmp_path / "run")
    assert (stage.score, stage.images_seen) == (whole.stage.score, whole.stage.images_seen)
    pd.testing.assert_frame_equal(table(tmp_path / "run"), table(whole.run))
    assert_equal_weights(resumed, whole.model)
    assert [path.name for path in folder.iterdir() if path.suffix == ".ckpt"] == ["best.ckpt"]


def test_where_gradients_are_accumulated_a_mini_batch_is_all_that_a_step_is_made_of(tmp_path, monkeypatch):
    images = []
    monkeypatch.setattr(CheckAndAdjust, "after_step", lambda self, trainer, model, hits: images.append(int(hits[1])))
    more = ["trainer.accumulate_grad_batches=3", "trainer.max_epochs=1"]
    train(small_config(tmp_path, *NET, *WHOLE, *CHECKS, *more), tmp_path / "run")
    assert images == [12, 12, 8]


def test_averaged_weights_are_what_it_saves(tmp_path, monkeypatch):
    monkeypatch.setattr("lightning_modules.training.fit._remove", lambda *_: None)
    watch = Watch()
    config = small_config(tmp_path, *NET, *WHOLE, *CHECKS, "callbacks.averaging.enabled=true")
    _, (stage,) = train(config, tmp_path / "run", watch)
    assert stage.score == table(tmp_path / "run")["val/acc"].max()
    files = sorted((tmp_path / "run").rglob("step-*.ckpt"))
    assert len(files) >= 2
    for file in files:
        step = int(file.stem.removeprefix("step-"))
        saved = torch.load(file, weights_only=True)["state_dict"]
        assert saved.keys() == watch.weights[step].keys()
        assert saved["backbone.conv1.weight"].dtype == torch.float16
        equal = torch.equal(saved["backbone.conv1.weight"], watch.weights[step]["backbone.conv1.weight"].half())
        assert equal == (step == 1)  # the first average is the first weights


def early_break():
    return EarlyBreak(validation=0.9, train=0.8, batches=5)


def epoch(callback, hundredths, validation):
    """One epoch of mini-batches and its validation; True where the stage is to end."""
    trainer = SimpleNamespace(should_stop=False, callback_metrics={"val/acc": torch.tensor(validation)})
    for correct in hundredths:
        callback.after_step(trainer, None, torch.tensor([correct, 100]))
        assert not trainer.should_stop  # never in mid-epoch
    callback.on_validation_end(trainer, None)
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
def test_a_stage_ends_exactly_when_both_are_exceeded_and_says_so(hundredths, validation, stops, capsys):
    callback = early_break()
    assert epoch(callback, hundredths, validation) is stops
    callback.on_train_end(SimpleNamespace(is_global_zero=True, current_epoch=3, max_epochs=9), None)
    assert ("early break after epoch 3 of 9" in capsys.readouterr().out) is stops


def test_the_row_may_reach_into_the_epoch_before_and_over_a_resume(tmp_path):
    callback = early_break()
    assert not epoch(callback, [90, 90, 90], 0.95)
    assert not epoch(callback, [90], 0.95)
    torch.save(callback.state_dict(), tmp_path / "state")
    assert epoch(callback, [90], 0.95)
    resumed = early_break()
    resumed.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    assert epoch(resumed, [90], 0.95)
    again, trainer = early_break(), SimpleNamespace(should_stop=False)
    again.load_state_dict(resumed.state_dict())
    again.on_train_start(trainer, None)
    assert trainer.should_stop
