"""The status of jobs, from files written to disk."""

import os
import subprocess
import sys
from unittest.mock import Mock

import pytest

from karyocyte.common.files import write_text
from karyocyte.workflows.sweeps.status import process_exists, sweep_statuses
from tests.cluster.slurm import wait_for
from tests.karyocyte.workflows.sweeps.sweep_files import grid, here, note, note_long_ago, write_jobs, write_progress


@pytest.fixture
def sweep(tmp_path):
    """The folder and the jobs of a sweep of six seeds."""
    return write_jobs(tmp_path, grid(6))


def test_a_run_elsewhere_is_lost_once_neither_it_nor_its_record_is_written_for_long(tmp_path, sweep):
    folder, jobs = sweep
    note_long_ago(folder, jobs[0])
    note_long_ago(folder, jobs[1], run=write_progress(tmp_path / "run"))
    note(folder, jobs[2], "running")
    states = [status.state for status in sweep_statuses(folder)[:3]]
    assert states == ["lost", "running", "running"]


def test_a_process_of_this_machine_is_lost_as_soon_as_it_is_gone_and_not_before(sweep):
    folder, jobs = sweep
    ended = subprocess.Popen([sys.executable, "-c", ""])
    note(folder, jobs[0], "running", **{**here(), "pid": ended.pid})
    note_long_ago(folder, jobs[1], **here())
    wait_for(lambda: process_exists(ended.pid) is False, "the process to end")  # a zombie
    first, second = sweep_statuses(folder)[:2]
    ended.wait()
    assert (first.state, first.reason) == ("lost", f"process {ended.pid} is gone")
    assert second.state == "running"


def test_a_process_of_another_user_exists(monkeypatch):
    monkeypatch.setattr(os, "kill", Mock(side_effect=PermissionError))
    assert process_exists(1)


def test_a_finished_job_whose_run_is_gone_waits_again(tmp_path, sweep):
    folder, jobs = sweep
    note(folder, jobs[0], "finished", tmp_path / "moved_away")
    note(folder, jobs[1], "finished", None, kind="search")
    assert [status.state for status in sweep_statuses(folder)[:2]] == ["waiting", "finished"]


@pytest.mark.parametrize("half", ["", '{"status": ', "[1]"])
def test_files_that_are_just_being_written_do_no_harm(tmp_path, sweep, half):
    folder, jobs = sweep
    note(folder, jobs[0], "running", tmp_path / "run")
    for name in ("progress.json", "status.json", "metrics.json"):
        write_text(tmp_path / "run" / name, half)
    write_text(folder / "jobs" / f"{jobs[1].key}.json", half)
    statuses = sweep_statuses(folder)
    assert [status.state for status in statuses[:2]] == ["running", "not submitted"]
    assert statuses[0].progress == ""


def test_a_job_that_slurm_does_not_have_is_not_submitted(tmp_path, sweep):
    folder, jobs = sweep
    note(folder, jobs[0], "waiting", slurm_job="7_0")
    note(folder, jobs[1], "waiting")
    assert [status.state for status in sweep_statuses(folder)[:3]] == ["waiting", "not submitted", "not submitted"]
    folder, _ = write_jobs(tmp_path, grid(1), cluster="local")
    assert sweep_statuses(folder)[0].state == "waiting"
