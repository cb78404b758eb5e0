"""Workers on one or several machines share one study, even if some of them die."""

import multiprocessing
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workflows.sweeps.tuning.searches import search
from workflows.sweeps.tuning import study as studies
from workflows.sweeps.tuning.study import Heartbeats, is_lost, open_study

QUICK = ["search.startup_trials=1000"]  # drawn at random: nothing to learn from


def study(output, *overrides):
    settings = search(output, *QUICK, *overrides)[0]
    return open_study(output / "journal.log", "shared", settings, "minimize")


def start(function, *arguments):
    process = multiprocessing.get_context("fork").Process(target=function, args=arguments)
    process.start()
    return process


def wait_until(condition, seconds=120.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


@settings(max_examples=40, deadline=None)
@given(
    exists=st.booleans(),
    locked=st.booleans(),
    elsewhere=st.booleans(),
    patience=st.floats(10.0, 1000.0),
    share=st.floats(0.0, 3.0).filter(lambda share: abs(share - 1) > 0.2),
)
def test_a_process_is_dead_when_its_lock_is_free_and_on_another_machine_when_it_is_silent_too(
    tmp_path_factory, exists, locked, elsewhere, patience, share
):
    folder = tmp_path_factory.mktemp("heartbeats")
    sign = folder / "other"
    with ExitStack() as stack:
        if exists:
            sign.touch()
            if locked:
                stack.enter_context(FileLock(sign))
            touched = time.time() - share * patience
            os.utime(sign, (touched, touched))
        dead = Heartbeats(folder, patience).is_dead("other", elsewhere)
        silent = share > 1 or not elsewhere
        assert dead == (not exists or (not locked and silent))
        assert [path.name for path in folder.iterdir()] == ([] if dead else ["other"])


def test_silence_is_measured_by_the_file_system_and_not_by_a_clock(tmp_path, monkeypatch):
    heartbeats = Heartbeats(tmp_path, 60.0)
    (tmp_path / "other").touch()
    for clock in ("time", "monotonic", "time_ns"):
        monkeypatch.setattr(time, clock, lambda: 4e9)
    assert not heartbeats.is_dead("other", elsewhere=True)


def test_a_file_is_touched_while_its_process_works_and_removed_afterwards(tmp_path, monkeypatch):
    monkeypatch.setattr(studies, "BEAT", 0.02)
    mine = Heartbeats(tmp_path, 60.0)
    with mine.beating():
        sign = tmp_path / mine.name
        for _ in range(2):
            os.utime(sign, (0, 0))
            wait_until(lambda: sign.stat().st_mtime > 1)
    assert not list(tmp_path.iterdir())


def test_a_removed_file_is_made_and_locked_again(tmp_path, monkeypatch):
    monkeypatch.setattr(studies, "BEAT", 0.02)
    mine, other = Heartbeats(tmp_path, 60.0), Heartbeats(tmp_path, 60.0)
    with mine.beating():
        sign = tmp_path / mine.name
        sign.unlink()
        assert other.is_dead(mine.name, elsewhere=False)
        assert not mine.is_dead(mine.name, elsewhere=False)
        wait_until(sign.exists)
        assert not other.is_dead(mine.name, elsewhere=False)
    assert not list(tmp_path.iterdir())


def test_a_process_wrongly_taken_for_dead_loses_only_that_trial(tmp_path, monkeypatch):
    monkeypatch.setattr(studies, "BEAT", 1e9)  # stopped: it touches nothing
    with study(tmp_path, "search.trials=3") as slow, study(tmp_path, "search.trials=3") as quick:
        theirs = slow.claim()
        (slow.heartbeats.folder / slow.heartbeats.name).unlink()
        assert quick.claim().params == theirs.params
        with pytest.raises(studies.optuna.exceptions.UpdateFinishedTrialError):
            slow.finish(theirs, studies.TrialState.COMPLETE, 0.1, run="its folder")
        later = slow.claim()
        assert quick.claim().params != later.params
        slow.finish(later, studies.TrialState.COMPLETE, 0.2)
    assert [trial.value for trial in slow.trials if trial.state.name == "COMPLETE"] == [0.2]


def test_simultaneous_claims_do_not_exceed_the_number_of_trials(tmp_path, monkeypatch):
    draw = studies._sampler

    def slowly(*arguments):  # between the counting and the asking
        time.sleep(0.3)
        return draw(*arguments)

    monkeypatch.setattr(studies, "_sampler", slowly)
    with study(tmp_path, "search.trials=1") as here, study(tmp_path, "search.trials=1") as there:
        with ThreadPoolExecutor(2) as pool:
            claimed = list(pool.map(lambda study: study.claim(), (here, there)))
        assert len(here.trials) == 1
    assert sum(trial is not None for trial in claimed) == 1


def test_a_trial_is_repeated_only_after_its_process_has_ended(tmp_path):
    with study(tmp_path) as here:
        with study(tmp_path) as there:
            theirs = there.claim()
            ours = here.claim()
            assert ours.params != theirs.params
            assert [trial.state.name for trial in here.trials] == ["RUNNING", "RUNNING"]
        again = here.claim()
        assert again.params == theirs.params
        assert [trial.state.name for trial in here.trials] == ["FAIL", "RUNNING", "RUNNING"]


def test_a_trial_without_a_process_is_repeated(tmp_path):
    with study(tmp_path) as alone:
        alone._study.ask(alone.distributions)
        alone.claim()
        assert [trial.state.name for trial in alone.trials] == ["FAIL", "RUNNING"]


def train_forever(output, node, patience):
    """Do as a worker on another machine: claim a trial, and never end it."""
    studies.HOST = node
    with study(output, f"search.heartbeat_seconds={patience}") as worker:
        worker.claim()
        (output / "claimed").touch()
        time.sleep(60)


def test_a_trial_of_another_machine_is_repeated_only_when_its_worker_is_dead(tmp_path):
    """Alive; stopped, so that nothing touches its file any more; killed."""
    patience = 0.5
    worker = start(train_forever, tmp_path, "node7", patience)
    try:
        wait_until((tmp_path / "claimed").exists)
        with study(tmp_path, f"search.heartbeat_seconds={patience}", "search.trials=2") as here:
            theirs = here.trials[0]
            for halt in (signal.SIGCONT, signal.SIGSTOP):
                os.kill(worker.pid, halt)
                time.sleep(2 * patience)
                ours = here.claim()
                assert ours is None or ours.params != theirs.params
                assert here.running_elsewhere() == {"node7": [0]}
            os.kill(worker.pid, signal.SIGKILL)
            worker.join()
            wait_until(lambda: (again := here.claim()) is not None and again.params == theirs.params)
            lost = here.trials[0]
            assert is_lost(lost)
            assert lost.user_attrs["message"] == f"its process ({worker.pid} on node7) died: tried again"
    finally:
        worker.kill()


def test_a_trial_of_a_machine_that_is_named_as_gone_is_repeated_at_once(tmp_path):
    worker = start(train_forever, tmp_path, "node7", 60)
    wait_until((tmp_path / "claimed").exists)
    worker.kill()
    worker.join()
    with study(tmp_path) as here:
        theirs = here.trials[0]
        assert here.claim().params != theirs.params
        assert here.running_elsewhere() == {"node7": [0]}
    with study(tmp_path, "search.gone_hosts=[node7]") as here:
        assert here.claim().params == theirs.params
        assert here.running_elsewhere() == {}


def work(output, node, trials, killed_at):
    """Do short trials, as many as there are to do; a process may end in the middle of its n-th."""
    studies.HOST = node
    with study(output, f"search.trials={trials}", "search.heartbeat_seconds=0.5") as shared:
        done = 0
        while (trial := shared.claim()) is not None:
            done += 1
            trial.report(0.5, 0)
            if done == killed_at:
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(0.06)  # longer than a lock is asked for again: the others have their turn
            shared.finish(trial, studies.TrialState.COMPLETE, trial.params["unfreeze.lr"], run=str(done))


def test_four_workers_finish_every_trial_once_and_a_kill_costs_one_trial(tmp_path):
    nodes = ["node1", "node1", "node2", "node3"]
    count = 24
    workers = [
        start(work, tmp_path, node, count, 2 if node == nodes[-1] and not number % 3 else None)
        for number, node in enumerate(nodes)
    ]
    for worker in workers:
        worker.join()
    killed = [worker for worker in workers if worker.exitcode]
    assert killed
    assert all(worker.exitcode == -signal.SIGKILL for worker in killed)
    time.sleep(0.6)
    work(tmp_path, nodes[0], count, None)  # what a worker left that was killed as the last of all
    with study(tmp_path, f"search.trials={count}") as shared:
        lost = [trial for trial in shared.trials if is_lost(trial)]
        finished = [trial for trial in shared.trials if not is_lost(trial)]
    assert len(lost) == len(killed)
    assert {trial.user_attrs["pid"] for trial in lost} == {worker.pid for worker in killed}
    assert len(finished) == count
    assert all(trial.value == trial.params["unfreeze.lr"] for trial in finished)
    assert len({trial.value for trial in finished}) == count
    assert {trial.params["unfreeze.lr"] for trial in lost} <= {trial.value for trial in finished}
    assert len({trial.user_attrs["pid"] for trial in finished}) >= 2


def test_an_incomplete_line_does_not_break_the_journal_for_other_workers(tmp_path):
    with study(tmp_path, "search.trials=3") as shared:
        shared.finish(shared.claim(), studies.TrialState.COMPLETE, 0.1)
        with open(tmp_path / "journal.log", "a") as file:
            file.write('{"op_code":4,"wor')
        shared.finish(shared.claim(), studies.TrialState.COMPLETE, 0.2)
        assert [trial.value for trial in shared.trials] == [0.1, 0.2]
    with study(tmp_path, "search.trials=3") as later:
        assert [trial.value for trial in later.trials] == [0.1, 0.2]
