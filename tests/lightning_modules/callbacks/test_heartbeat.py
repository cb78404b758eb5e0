"""The sign of life: what it says, when it is given, and that it costs and breaks nothing."""

import json
import time

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pytorch_lightning import Callback

from common.runs.run import Run
from common.runs.usage import read_usage
from lightning_modules.build import build_classifier
from lightning_modules.callbacks import heartbeat
from lightning_modules.callbacks.heartbeat import Heartbeat
from lightning_modules.stages.fit import train_stages
from tests.helpers.training import run_undrawn, small_config
from tests.lightning_modules.memory_data import MemoryData

NET = ["model=resnet18", "model.cut=layer2"]


@pytest.fixture
def eager(monkeypatch):
    """Give a sign at every chance, and keep them all."""
    seen = []
    write = Run.write_json

    def keep(run, file, value):
        write(run, file, value)
        seen.append(json.loads(run.path(file).read_text()))

    monkeypatch.setattr(heartbeat.Heartbeat, "_beat", _at_once(heartbeat.Heartbeat._beat))
    monkeypatch.setattr(heartbeat.Run, "write_json", keep)
    return seen


def _at_once(beat):
    return lambda self, trainer, every=0.0, over=False: beat(self, trainer, 0.0, over)


def train(config, run, *extra):
    model = build_classifier(config, ("hem", "all"), None)[0]
    return train_stages(model, MemoryData(), config, run, extra)


@pytest.fixture
def stages(tmp_path):
    """A configuration of two stages, of 2 and 3 epochs of 8 steps."""
    plain = small_config(tmp_path, *NET, "unfreeze=whole", "unfreeze.lr=0.001", "trainer.max_epochs=3")
    (stage,) = plain.unfreeze.stages.values()
    both = {"first": stage.model_copy(update={"max_epochs": 2}), "second": stage}
    return plain.model_copy(update={"unfreeze": plain.unfreeze.model_copy(update={"stages": both})})


def test_it_follows_the_training_through_its_stages(stages, tmp_path, eager):
    records = train(stages, tmp_path / "run")
    told = [(one["stage"], one["epoch"], one["step"]) for one in eager]
    assert told == sorted(told)
    assert {(one["stage"], one["stages"], one["stage_name"]) for one in eager} == {(1, 2, "first"), (2, 2, "second")}
    assert {(one["stage"], one["epochs"], one["steps"]) for one in eager} == {(1, 2, 16), (2, 3, 24)}
    assert {one["epoch"] for one in eager if one["stage"] == 2} == {1, 2, 3}
    last = eager[-1]
    assert (last["epoch"], last["step"], last["over"], last["seconds_left"]) == (3, 24, True, 0.0)
    assert last["images_seen"] == 32 * 5 == sum(record.images_seen for record in records)
    assert records[0].seconds < last["seconds"] <= sum(record.seconds for record in records)
    assert last["best"] == pytest.approx(records[-1].score)
    assert (last["monitor"], last["processes"]) == ("val/loss", 1)
    assert abs(last["updated"] - time.time()) < 60


def test_the_time_left_falls_and_reaches_over_the_later_stages(stages, tmp_path, eager):
    train(stages, tmp_path / "run")
    assert eager[0]["seconds_left"] is None  # no step yet, no pace
    end_of_first = next(one for one in eager if one["over"])
    pace = end_of_first["seconds_left"] / 24
    assert 0 < pace <= end_of_first["seconds"] / 16  # of the training alone, which the clock of the stage surrounds


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=4), st.data())
def test_seconds_left_are_the_steps_left_at_the_pace_of_this_stretch(steps, data):
    first = data.draw(st.integers(0, steps[0]))  # a resume in mid-stage
    now = data.draw(st.integers(first, steps[0]))
    seconds = data.draw(st.floats(0.5, 1e5))
    beat = Heartbeat(None, None, steps)
    beat._since, beat._from_step = 100.0, first
    left = np.sum(steps) - now
    found = beat.seconds_left(now, 100.0 + seconds)
    assert found == (0.0 if left == 0 else None if now == first else pytest.approx(left * seconds / (now - first)))
    over = beat.seconds_left(now, 100.0 + seconds, over=True)
    later = np.sum(steps[1:])
    assert over == (0.0 if later == 0 else None if now == first else pytest.approx(later * seconds / (now - first)))


def test_a_resume_goes_on_counting(stages, tmp_path, eager):
    class Stop(Callback):
        def on_train_batch_start(self, trainer, *rest):
            if trainer.max_epochs == 3 and trainer.global_step == 12:
                raise KeyboardInterrupt

    with pytest.raises((KeyboardInterrupt, SystemExit)):
        train(stages, tmp_path / "run", Stop())
    before = json.loads((tmp_path / "run" / "progress.json").read_text())
    assert (before["stage"], before["epoch"], before["step"]) == (2, 2, 12)
    eager.clear()
    records = train(stages, tmp_path / "run")
    assert (eager[0]["stage"], eager[0]["step"], eager[0]["images_seen"]) == (2, 8, 32 * 3)  # the last checkpoint
    assert eager[0]["best"] is not None
    assert eager[0]["seconds"] >= records[0].seconds
    assert eager[-1]["images_seen"] == 32 * 5


def test_it_is_given_only_so_often(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(heartbeat.Run, "write_json", lambda run, file, value: written.append(value))
    config = small_config(tmp_path, *NET, "unfreeze=whole", "unfreeze.lr=0.001")
    train(config, tmp_path / "run")
    assert [(one["epoch"], one["step"]) for one in written[1:]] == [(1, 8), (2, 16), (2, 16)]
    assert written[0]["step"] == 0


def test_a_full_disk_does_not_end_the_training(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(heartbeat.Run, "write_json", full)
    records = train(small_config(tmp_path, *NET, "unfreeze=whole", "unfreeze.lr=0.001"), tmp_path / "run")
    assert records[0].epochs == 2
    assert not (tmp_path / "run" / "progress.json").exists()


def test_no_batch_asks_the_device(tmp_path, monkeypatch):
    config = small_config(tmp_path, *NET, "unfreeze=whole", "unfreeze.lr=0.001", "trainer.max_epochs=1")
    asked = []

    class Watch(Heartbeat):
        def on_train_batch_end(self, *arguments):
            with pytest.MonkeyPatch.context() as patch:
                for name in ("item", "__float__", "cpu", "tolist"):
                    patch.setattr(torch.Tensor, name, lambda *_, name=name: asked.append(name))
                super()._beat(arguments[0])

    train(config, tmp_path / "run", Watch(tmp_path / "run", tmp_path / "run" / "checkpoints" / "1-all", [8]))
    assert asked == []


def test_a_real_run_leaves_both_files(tmp_path):
    config = small_config(tmp_path, *NET, "unfreeze=head_only")
    run = run_undrawn(config)
    progress, used = json.loads((run / "progress.json").read_text()), read_usage(run)
    status = json.loads((run / "status.json").read_text())
    assert (progress["stage"], progress["stages"], progress["over"]) == (1, 1, True)
    assert progress["images_seen"] == status["images_seen"]
    assert progress["epoch"] == progress["epochs"] == 2
    assert used["stretches"] == 1
    assert used["wall_seconds"] > status["wall_seconds"] > 0  # preparation and prediction count too
    assert used["device_seconds"] == used["wall_seconds"]
    assert used["cpu_seconds"] > 0
    assert used["peak_memory_bytes"] > 50 * 2**20
    run_undrawn(config)  # finished: nothing is spent
    assert read_usage(run) == used
