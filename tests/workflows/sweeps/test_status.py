"""The status of jobs, from files written to disk."""

import os
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.files import write_json, write_text
from common.runs.run import Progress
from common.runs.sweeps import STATES
from tests.cluster.slurm import wait_for
from tests.workflows.sweeps.sweep_files import age, grid, here, note, write_finished, write_jobs, write_progress
from workflows.sweeps import status as status_module
from workflows.sweeps.status import (
    JobStatus,
    count_states,
    is_over,
    run_status,
    share_done,
    short_names,
    sweep_statuses,
    time_left,
    varying_keys,
)

LONG_AGO = 1000.0


def states(folder, **options):
    return [status.state for status in sweep_statuses(folder, **options)]


@pytest.fixture
def sweep(tmp_path):
    """The folder and the jobs of a sweep of seven seeds."""
    return write_jobs(tmp_path, grid(7))


@pytest.fixture
def pair(tmp_path):
    return write_jobs(tmp_path, grid(2))


def test_every_state_is_read_from_the_files(tmp_path, sweep):
    folder, jobs = sweep
    note(folder, jobs[0], "finished", write_finished(tmp_path / "done"))
    note(folder, jobs[1], "failed", error="UserError: no\nsuch file")
    note(folder, jobs[2], "preempted")
    note(folder, jobs[3], "interrupted")
    note(folder, jobs[4], "running", **here())
    note(folder, jobs[5], "lost", error="its node is gone")
    statuses = sweep_statuses(folder)
    assert states(folder) == ["finished", "failed", "preempted", "interrupted", "running", "lost", "waiting"]
    assert statuses[0].metric == {"value": 0.9, "low": 0.85, "high": 0.94}
    assert statuses[0].seconds == 90.0  # as its training says, where nothing else is measured
    assert statuses[1].error == "UserError: no\nsuch file"
    assert (statuses[5].error, statuses[5].note) == (None, "its node is gone")
    assert statuses[6].overrides == {"experiment": "scratch_cnn_d128", "weights": "random", "seed": "6"}


def test_a_run_says_how_far_it_is_and_how_long_it_may_take(tmp_path, sweep):
    folder, jobs = sweep
    write_progress(tmp_path / "run", updated=time.time() - 60)
    note(folder, jobs[0], "running", tmp_path / "run")
    status = sweep_statuses(folder)[0]
    assert status.state == "running"
    assert status.seconds_left == pytest.approx(240, abs=60)  # a minute has passed since it said 300
    assert status.seconds == 100.0
    assert status.progress.share == pytest.approx(0.625)


def test_a_run_elsewhere_is_lost_once_it_is_silent_for_long(tmp_path, pair):
    folder, jobs = pair
    for number, job in enumerate(jobs):
        write_progress(tmp_path / f"run{number}")
        note(folder, job, "running", tmp_path / f"run{number}")
    age(folder, LONG_AGO)
    age(tmp_path / "run0", LONG_AGO)
    lost, alive = sweep_statuses(folder)
    assert (lost.state, alive.state) == ("lost", "running")  # what the second writes into its run counts
    assert time.time() - lost.last_change == pytest.approx(LONG_AGO, abs=120)
    assert lost.seconds_left is None
    assert states(folder, silence=2 * LONG_AGO) == ["running", "running"]


def test_a_process_of_this_machine_is_lost_as_soon_as_it_is_gone_and_not_before(pair):
    folder, jobs = pair
    ended = subprocess.Popen([sys.executable, "-c", ""])
    note(folder, jobs[0], "running", **{**here(), "pid": ended.pid})
    note(folder, jobs[1], "running", **here())
    age(folder, LONG_AGO)
    wait_for(lambda: status_module.process_exists(ended.pid) is False, "the process to end")  # a zombie
    first, second = sweep_statuses(folder)
    ended.wait()
    assert (first.state, first.note) == ("lost", f"process {ended.pid} is gone")
    assert (second.state, second.note) == ("running", status_module.SILENT)
    assert states(folder)[0] == "lost"


def test_a_clock_that_was_set_back_does_no_harm(tmp_path, sweep):
    folder, jobs = sweep
    note(folder, jobs[0], "failed", started=time.time() + LONG_AGO)
    write_progress(tmp_path / "run", updated=time.time() + LONG_AGO)
    note(folder, jobs[1], "running", tmp_path / "run", **here())
    age(tmp_path / "run", -LONG_AGO)
    failed, running = sweep_statuses(folder)[:2]
    assert failed.seconds == 0
    assert running.state == "running"
    assert running.seconds_left == 300


def test_a_process_of_another_user_exists(monkeypatch):
    def forbidden(*_):
        raise PermissionError

    monkeypatch.setattr(os, "kill", forbidden)
    assert status_module.process_exists(1)


def test_a_finished_job_whose_run_is_gone_waits_again(tmp_path, pair):
    folder, jobs = pair
    note(folder, jobs[0], "finished", tmp_path / "moved_away")
    note(folder, jobs[1], "finished", None, kind="search")
    assert states(folder) == ["waiting", "finished"]
    assert sweep_statuses(folder)[0].note == status_module.GONE


@pytest.mark.parametrize("half", ["", "{", '{"status": ', "[1]", '"running"'])
def test_files_that_are_just_being_written_do_no_harm(tmp_path, pair, half):
    folder, jobs = pair
    run = tmp_path / "run"
    note(folder, jobs[0], "running", run)
    for name in ("progress.json", "status.json", "usage.json", "metrics.json", "config.yaml"):
        write_text(run / name, half)
    write_text(folder / "jobs" / f"{jobs[1].key}.json", half)
    assert states(folder) == ["running", "waiting"]
    note(folder, jobs[0], "finished", run)
    assert states(folder)[0] in STATES
    assert run_status(run).state == "waiting"


@pytest.mark.parametrize("state", ["finished", "failed", "pruned", "interrupted", "preempted"])
def test_a_run_without_a_sweep_has_the_state_of_its_status_file(tmp_path, state):
    run = write_finished(tmp_path / "net" / "subject-fold2-0a1b2c3d" / "seed=3", fold=2, seed=3)
    write_json(run / "status.json", {"status": state, "error": "ValueError: x", "reason": "hopeless"})
    status = run_status(run)
    assert (status.state, status.error) == (state, "ValueError: x" if state == "failed" else None)
    facts = {"experiment": "net", "protocol": "subject", "fold": "2", "seed": "3", "address": "0a1b2c3d"}
    assert status.overrides == facts


def test_a_run_without_a_sweep_is_lost_when_its_process_is(tmp_path):
    write_json(tmp_path / "status.json", {"status": "running"})
    for place, state in ((here(), "running"), ({}, "lost")):
        write_progress(tmp_path, **place)
        age(tmp_path, LONG_AGO)
        assert run_status(tmp_path).state == state


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.sampled_from("xy")), min_size=1, max_size=6))
def test_what_varies_tells_apart_as_well_as_everything(overrides):
    keys = varying_keys(overrides)
    by_keys = {tuple(own.get(key) for key in keys) for own in overrides}
    assert len(by_keys) == len({tuple(sorted(own.items())) for own in overrides})
    for key in set("abc") - set(keys):
        assert len({own.get(key) for own in overrides}) == 1


def test_names_are_as_short_as_they_can_be():
    keys = ["split.fold", "optimizer.lr", "unfreeze.lr", "seed"]
    assert list(short_names(keys).values()) == ["fold", "optimizer.lr", "unfreeze.lr", "seed"]


A_DAY = 86_400.0  # seconds ahead: the parameters below are made long before the test runs


def running(left):
    progress = Progress(seconds=10.0, seconds_left=left, updated=time.time() + A_DAY)
    return JobStatus("r", {}, "running", progress=progress)


def finished(seconds):
    return JobStatus("f", {}, "finished", record={"started": 0.0, "updated": seconds})


WAITING = JobStatus("w", {}, "waiting")


@pytest.mark.parametrize(
    ("jobs", "left"),
    [
        ([finished(5.0)], 0.0),
        ([running(30.0)], 30.0),
        ([running(30.0), running(10.0)], 30.0),
        ([running(30.0), running(10.0), WAITING, finished(50.0), finished(70.0)], (30 + 10 + 60) / 2),
        ([running(30.0), WAITING], 30 + 40),  # as long as the one that runs
        ([running(None)], None),
        ([WAITING, finished(50.0)], None),  # nobody knows when it begins
        ([], 0.0),
    ],
)
def test_the_time_left_of_all(jobs, left):
    assert time_left(jobs) == left


@given(st.lists(st.sampled_from(STATES), max_size=20))
def test_what_is_over_and_how_much_is_done_agree(drawn):
    jobs = [JobStatus(str(number), {}, state) for number, state in enumerate(drawn)]
    share = share_done(jobs)
    assert 0 <= share <= 1
    assert (share == 1) == is_over(jobs)
    assert sum(count_states(jobs).values()) == len(jobs)
    assert 0 not in count_states(jobs).values()
