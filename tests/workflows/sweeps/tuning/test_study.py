"""Workers on one or several machines share one study, even if some of them die."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from common.errors import UserError
from tests.cluster.slurm import wait_for
from tests.workflows.sweeps.tuning.searches import in_a_process, search
from workflows.sweeps.tuning import study as studies
from workflows.sweeps.tuning.study import end_of, open_study, repeated

QUICK = ["search.startup_trials=1000"]  # drawn at random: nothing to learn from


def study(output, *overrides):
    settings = search(output, *QUICK, *overrides)[0]
    return open_study(output / "study.db", "shared", settings, "minimize")


def states(shared):
    return [trial.state.name for trial in shared.trials]


def test_simultaneous_claims_do_not_exceed_the_number_of_trials(tmp_path, monkeypatch):
    draw = studies._sampler

    def slowly(*arguments):  # between the counting and the asking
        time.sleep(0.3)
        return draw(*arguments)

    monkeypatch.setattr(studies, "_sampler", slowly)
    here = study(tmp_path, "search.trials=1")
    there = study(tmp_path, "search.trials=1")
    with ThreadPoolExecutor(2) as pool:
        claimed = list(pool.map(lambda study: study.claim(), (here, there)))
    assert len(here.trials) == 1
    assert sum(trial is not None for trial in claimed) == 1


def test_a_trial_whose_process_left_no_name_is_repeated(tmp_path):
    alone = study(tmp_path)
    alone._study.ask(alone.distributions)
    alone.claim()
    assert states(alone) == ["FAIL", "RUNNING"]


def test_a_trial_that_another_process_has_ended_is_not_given_back(tmp_path):
    here = study(tmp_path)
    there = study(tmp_path)
    trial = here.claim()
    there.finish(trial, studies.TrialState.COMPLETE, 0.5)
    here.give_back(trial, "interrupted")
    assert states(here) == ["COMPLETE"]


def train_forever(output, node):
    """Do as a worker on another machine: claim a trial, and never end it."""
    studies.HOST = node
    worker = study(output, "search.heartbeat_seconds=2")
    with worker.running(worker.claim()):
        time.sleep(0.5)  # until the first heartbeat
        (output / "claimed").touch()
        time.sleep(60)


def test_a_trial_of_another_machine_is_repeated_only_when_its_heartbeat_is_old(tmp_path):
    worker = in_a_process(train_forever, tmp_path, "node7")
    try:
        wait_for((tmp_path / "claimed").exists, "the other worker to claim a trial")
        here = study(tmp_path, "search.heartbeat_seconds=2", "search.trials=2")
        time.sleep(3)
        ours = here.claim()
        assert ours.params != here.trials[0].params
        assert here.running_elsewhere() == {"node7": [0]}
        worker.kill()
        worker.join()
        first = here.trials[0].params
        wait_for(lambda: (again := here.claim()) is not None and again.params == first, "its trial to be repeated")
        assert repeated(here.trials) == {0}
        assert end_of(here.trials[0]) == f"its process ({worker.pid} on node7) died: tried again"
    finally:
        worker.kill()


def work(output, trials, killed_at):
    """Do short trials, as many as there are to do; a process may end in the middle of its n-th."""
    shared = study(output, f"search.trials={trials}")
    done = 0
    while (trial := shared.claim()) is not None:
        with shared.running(trial):
            done += 1
            trial.report(0.5, 0)
            if done == killed_at:
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(0.06)  # longer than a lock is asked for again: the others have their turn
        shared.finish(trial, studies.TrialState.COMPLETE, trial.params["unfreeze.lr"], run=str(done))


def test_three_workers_finish_every_trial_once_and_a_kill_costs_one_trial(tmp_path):
    count = 12
    workers = [in_a_process(work, tmp_path, count, killed_at) for killed_at in (None, None, 2)]
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, -signal.SIGKILL]
    work(tmp_path, count, None)  # what a worker left that was killed as the last of all
    shared = study(tmp_path, f"search.trials={count}")
    (lost,) = repeated(shared.trials)
    finished = [trial for trial in shared.trials if trial.number != lost]
    assert shared.trials[lost].user_attrs["pid"] == workers[2].pid
    assert len({trial.value for trial in finished}) == len(finished) == count
    assert all(trial.value == trial.params["unfreeze.lr"] for trial in finished)
    assert shared.trials[lost].params["unfreeze.lr"] in {trial.value for trial in finished}


def test_a_file_that_is_no_database_is_an_error_and_unchanged(tmp_path):
    other = tmp_path / "study.db"
    other.write_text("my notes\nwithout an end")
    with pytest.raises(UserError, match=r"study\.db is no database of Optuna"):
        study(tmp_path)
    assert other.read_text() == "my notes\nwithout an end"
