"""Autotune: what is tried, which settings are taken, and how train.py is given them."""

import pytest
import torch
import yaml

from benchmarks import autotune
from benchmarks.autotune import THREADS, Candidate, candidates, table, train_endlessly
from common.config.compose import compose_config
from tests.helpers.training import DRAWN, QUICK, small_config

FOUND = Candidate(
    {"trainer.channels_last": True, "trainer.precision": "bf16-mixed", "optimizer.args.fused": True, THREADS: 2}
)


def test_what_is_tried_depends_on_the_experiment(tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    monkeypatch.setattr("shutil.which", lambda name: None)
    usual = [dict(each.values) for each in candidates(small_config(tmp_path), cores=4)]
    assert {"trainer.channels_last": True, "trainer.precision": "bf16-mixed"} in usual
    assert [each[THREADS] for each in usual if THREADS in each] == [1, 2]
    assert [each["loader.workers"] for each in usual if "loader.workers" in each] == [1, 2, 4]
    assert {"optimizer.args.fused": True} in usual
    assert {"trainer.compile": True} not in usual
    other = small_config(tmp_path, "optimizer=rmsprop", "trainer.precision=bf16-mixed", "loader.workers=1")
    rest = [dict(each.values) for each in candidates(other, cores=1)]
    assert rest[1] == {"trainer.precision": "32-true"}
    assert {"optimizer.args.fused": True} not in rest  # torch has none of RMSprop
    assert rest[-1] == {"loader.workers": 0}


def test_overrides_and_file_say_the_same():
    config = compose_config(["data=synthetic", *FOUND.overrides()])
    assert config.trainer.channels_last
    assert config.trainer.precision == "bf16-mixed"
    assert config.optimizer.args == {"fused": True}
    assert FOUND.command(["data=synthetic"]).startswith("OMP_NUM_THREADS=2 python train.py data=synthetic trainer.")
    text = FOUND.as_yaml(["data=synthetic"])
    assert text.startswith("# @package _global_\n")
    assert "OMP_NUM_THREADS=2" in text
    read = yaml.safe_load(text)
    assert read["trainer"] == {"channels_last": True, "precision": "bf16-mixed"}
    assert read["optimizer"] == {"args": {"fused": True}}


class Pretended:
    """A training with given milliseconds per step; None fails."""

    MS = {"trainer.channels_last": 0.5, "trainer.precision": None, "optimizer.args.fused": 0.98, "loader.workers": 0.8}
    running = 0

    def __init__(self, overrides, candidate, folder):
        self.candidate = candidate
        self.seconds = 1.0
        self.fails = False
        Pretended.running += 1
        for key in candidate.values:
            factor = self.MS.get(key, 1.0)
            self.fails |= factor is None
            self.seconds *= factor or 1.0

    def warm_up(self):
        if self.fails:
            raise EOFError
        return self.seconds

    turn = warm_up

    def close(self):
        Pretended.running -= 1


def test_what_is_faster_is_taken_and_what_fails_or_gains_nothing_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(autotune, "Training", Pretended)
    monkeypatch.setattr(autotune, "_cores", lambda: 2)
    trials = autotune.autotune([*DRAWN, *QUICK, f"cache_dir={tmp_path}"], tmp_path, 3)
    fastest = [trial for trial in trials if trial.taken][-1]
    assert fastest.candidate.values == {"trainer.channels_last": True, "loader.workers": 1}
    assert fastest.step_ms == pytest.approx(400.0)
    shown = table(trials)
    assert shown["settings"][0] == "the experiment's own"
    assert shown["ratio"].isna().sum() == 1  # layout and precision together are the latter on top of the former
    assert Pretended.running == 0


def test_the_last_stage_steps_until_no_step_is_asked_for(tmp_path):
    steps = []

    class Pace:
        def begin(self):
            pass

        def end(self):
            steps.append(1)
            if len(steps) == 50:  # of epochs of six steps, in a stage of one epoch
                raise SystemExit

    overrides = [*DRAWN, *QUICK, "model=resnet18", "model.cut=layer1", "unfreeze.stages.finetune.max_epochs=1"]
    with pytest.raises(SystemExit):
        train_endlessly(Pace(), [*overrides, f"cache_dir={tmp_path}/cache"], tmp_path, torch.get_num_threads())
    assert len(steps) == 50
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["1-finetune"]
