"""Workers share one study, even if some of them die."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

from karyocyte.common.compat import optuna_heartbeat
from karyocyte.workflows.sweeps.tuning import study as studies
from karyocyte.workflows.sweeps.tuning.study import SharedStudy, repeated_trials
from tests.cluster.slurm import wait_for
from tests.karyocyte.workflows.sweeps.tuning.searches import in_a_process, search

QUICK = ["search.startup_trials=1000", "search.heartbeat_seconds=2"]  # drawn at random: nothing to learn from


def study(output, *overrides):
    settings = search(output, *QUICK, *overrides)[0]
    return SharedStudy(output / "study.db", "shared", settings, "minimize")


def test_simultaneous_claims_do_not_exceed_the_number_of_trials(tmp_path, monkeypatch):
    draw = studies._sampler

    def slowly(*arguments):  # between the counting and the asking
        time.sleep(0.3)
        return draw(*arguments)

    monkeypatch.setattr(studies, "_sampler", slowly)
    both = [study(tmp_path, "search.trials=1") for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        claimed = list(pool.map(SharedStudy.claim, both))
    assert len(both[0].trials) == 1
    assert sum(trial is not None for trial in claimed) == 1


def work(output, trials, killed_at):
    """Do short trials, as many as there are to do; a process may end in the middle of its n-th."""
    shared = study(output, f"search.trials={trials}")
    done = 0
    while (trial := shared.claim()) is not None:
        with optuna_heartbeat(shared.study, trial):
            done += 1
            time.sleep(0.06)  # longer than a lock is asked for again: the others have their turn
            if done == killed_at:
                time.sleep(0.5)  # until the first heartbeat
                os.kill(os.getpid(), signal.SIGKILL)
        shared.study.tell(trial, trial.params["unfreeze.lr"])


def test_three_workers_finish_every_trial_once_and_a_kill_costs_one_trial(tmp_path):
    count = 8
    workers = [in_a_process(work, tmp_path, count, killed_at) for killed_at in (None, None, 1)]
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, -signal.SIGKILL]
    shared = study(tmp_path, f"search.trials={count}")
    wait_for(lambda: work(tmp_path, count, None) or repeated_trials(shared.trials), "the heartbeat to be old")
    (lost,) = repeated_trials(shared.trials)
    finished = [trial for trial in shared.trials if trial.number != lost]
    assert len({trial.value for trial in finished}) == len(finished) == count
    assert shared.trials[lost].params["unfreeze.lr"] in {trial.value for trial in finished}
