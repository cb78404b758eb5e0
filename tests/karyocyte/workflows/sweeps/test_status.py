"""The status of jobs, from files written to disk."""

import pytest

from karyocyte.common.files import write_text
from karyocyte.runs.lifecycle import locked
from karyocyte.workflows.sweeps.status import sweep_statuses
from tests.karyocyte.workflows.sweeps.sweep_files import grid, note, write_jobs, write_progress


@pytest.fixture
def sweep(tmp_path):
    """The folder and the jobs of a sweep of six seeds."""
    return write_jobs(tmp_path, grid(6))


def test_a_job_is_lost_once_nobody_holds_its_run(tmp_path, sweep):
    folder, jobs = sweep
    for number in (0, 1):
        note(folder, jobs[number], "running", write_progress(tmp_path / f"run{number}"))
        write_text(tmp_path / f"run{number}" / ".lock", "")
    note(folder, jobs[2], "running")  # its run is not known yet
    with locked(tmp_path / "run1"):
        assert [status.state for status in sweep_statuses(folder)[:3]] == ["lost", "running", "running"]


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
    assert [status.state for status in statuses[:2]] == ["running", "waiting"]
    assert statuses[0].progress == ""
