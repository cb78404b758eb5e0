"""A search over many runs, on formulas instead of trainings: what it tries, what it writes, what may break."""

import errno
import os
import signal
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from karyocyte.common.errors import UserError
from karyocyte.workflows.sweeps.tuning import results
from karyocyte.workflows.sweeps.tuning import search as tuning
from karyocyte.workflows.sweeps.tuning.settings import DimensionConfig, SearchConfig
from karyocyte.workflows.training import train
from tests.cluster.slurm import wait_for
from tests.karyocyte.workflows.sweeps.tuning.searches import NoData, formula_run, in_a_process, search, table, tune

ONE_SIZE = "search.space.loader.batch_size.choices=[16]"
KEYS = ["unfreeze.lr", "loader.batch_size"]


@pytest.fixture(autouse=True)
def _formulas(monkeypatch):
    monkeypatch.setattr(train, "run", formula_run)
    monkeypatch.setattr(train, "prepare", lambda config: (NoData(), None, {"weights": "random"}))
    # It takes a second, and is not what is tested here.
    monkeypatch.setattr(results, "draw_slice", lambda path, *_: path.touch())


def test_nested_and_dotted_keys_are_the_same_space():
    span = {"low": 0.1, "high": 1.0}
    nested = SearchConfig(space={"unfreeze": {"lr": span}, "loader": {"batch_size": {"choices": [8, 16]}}})
    dotted = SearchConfig(space={"unfreeze.lr": span, "loader.batch_size": {"choices": [8, 16]}})
    assert nested == dotted
    assert list(nested.space) == ["unfreeze.lr", "loader.batch_size"]
    choices = DimensionConfig(choices=[True, 1, 0.5, "adam"]).choices  # they keep their types
    assert [type(choice) for choice in choices] == [bool, int, float, str]


def run_first(monkeypatch, first, others=formula_run):
    """Replace the first run of a search by ``first``, which is called or raised; later ones are ``others``."""
    calls = []

    def run(config, begun):
        calls.append(config)
        if len(calls) > 1:
            return others(config, begun)
        if isinstance(first, BaseException):
            begun(Path(config.output_dir))
            raise first
        first()
        return formula_run(config, begun)

    monkeypatch.setattr(train, "run", run)


def test_a_search_continues_up_to_its_total_and_interruptions_change_nothing(tmp_path):
    chosen = ["search.sampler=gp", "search.space.loader.batch_size.choices=[8,16,32]"]
    whole = tune(tmp_path / "whole", *chosen, "search.trials=6")
    first = tune(tmp_path / "parts", *chosen, "search.trials=2")
    second = tune(tmp_path / "parts", *chosen, "search.trials=6")
    assert len(first) == 2
    assert list(second["number"]) == list(range(6))
    pd.testing.assert_frame_equal(whole[[*KEYS, "val/loss"]], second[[*KEYS, "val/loss"]])
    assert len(list((tmp_path / "parts" / "studies").iterdir())) == 1
    again = tune(tmp_path / "parts", *chosen, "search.trials=6")
    pd.testing.assert_frame_equal(second, again)


SAME = ("search.trials=9", "loader.batch_size=2")
OTHER = ("search.seed=1", "search.sampler=gp", "search.space.unfreeze.lr.high=1.0", "trainer.max_epochs=7", "seed=1")


@cache
def name_of(*overrides):
    """The name of a study, of which nothing is written."""
    settings, rest = search(Path("outputs"), *overrides)
    config = tuning.check_space(settings, rest)
    return tuning.study_name(settings, config, tuning.run_identity(config, {"data": "d" * 64}))


@pytest.mark.parametrize("override", [*SAME, *OTHER, "split.fold=1"])
def test_the_name_of_a_study_depends_on_all_but_the_searched_keys_and_the_length(override):
    assert name_of().startswith("custom-")
    assert (name_of() == name_of(override)) == (override in SAME)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (UserError("stage head diverged (val/loss is nan)"), "stage head diverged (val/loss is nan)"),
        (ZeroDivisionError("a bug"), "ZeroDivisionError: a bug"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "Cannot allocate memory"),
    ],
)
def test_an_error_of_a_trial_is_its_message_and_the_others_go_on(tmp_path, monkeypatch, error, words):
    run_first(monkeypatch, error)
    trials = tune(tmp_path, ONE_SIZE)
    assert list(trials["state"]) == ["failed", "finished", "finished", "finished"]
    assert words in trials["message"][0]
    assert trials["run"].notna().all()


def test_a_trial_whose_run_was_finished_before_names_it(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "run", lambda config, begun: formula_run(config, lambda folder: None))
    trials = tune(tmp_path, ONE_SIZE, "search.trials=2")
    assert all(Path(folder, "status.json").is_file() for folder in trials["run"])


class Preempted(SystemExit):
    status = "preempted"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Preempted(143), OSError(errno.ENOSPC, "No space left")])
def test_an_interrupted_trial_is_repeated_when_the_search_goes_on(tmp_path, monkeypatch, error):
    def fail(config, begun):
        raise error

    run_first(monkeypatch, lambda: None, others=fail)
    with pytest.raises(type(error)):
        tune(tmp_path, ONE_SIZE, "search.worker=1")
    folder = next((tmp_path / "studies").iterdir())
    assert list(table(folder)["state"]) == ["finished", "repeated"]
    monkeypatch.setattr(train, "run", formula_run)
    trials = tune(tmp_path, ONE_SIZE, "search.worker=2")
    assert list(trials["state"]) == ["finished", "repeated", *["finished"] * 3]
    assert trials["unfreeze.lr"][1] == trials["unfreeze.lr"][2]


def work(output, dies):
    """Search with trials that wait until a process is killed in its first."""
    killed = output / "killed"

    def run(config, begun):
        if dies:
            killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        wait_for(killed.exists, "the other one to be killed")
        return formula_run(config, begun)

    train.run = run  # of this process alone
    tune(output, ONE_SIZE, "search.trials=6")


def test_workers_share_a_study_and_a_kill_costs_one_trial(tmp_path):
    workers = [in_a_process(work, tmp_path, dies) for dies in (False, False, True)]
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, -signal.SIGKILL]
    trials = tune(tmp_path, ONE_SIZE, "search.trials=6")
    assert sorted(trials["state"].value_counts().items())[1:] == [("running", 1)]
    finished = trials[trials["state"] == "finished"]
    assert len(finished) in (6, 7)  # each ends the trial that it has begun
    assert finished["unfreeze.lr"].is_unique
