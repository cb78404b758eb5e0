import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karyocyte.common.errors import UserError
from karyocyte.common.preemption import Preempted
from karyocyte.config.cluster import SWEEP_VARIABLE
from karyocyte.runs import sweeps
from karyocyte.runs.run import Run
from karyocyte.runs.sweeps import Job, job_of, job_record, names, read_record, sweep_folder, write_record

JOB = job_of(["seed=0"])
KEY = JOB.key


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    """The folder of the sweep that this process belongs to."""
    monkeypatch.setenv(SWEEP_VARIABLE, str(tmp_path))
    return tmp_path


def test_a_job_is_what_it_trains_not_where_or_in_which_order_it_is_typed():
    one = job_of(["seed=0", "+experiment=a", "+cluster=slurm", "cluster.partition=gpu", "hydra.verbose=true"])
    assert one.overrides == ("seed=0", "+experiment=a")
    assert job_of(["+experiment=a", "seed=0"]).key == one.key
    assert job_of(["+experiment=a", "seed=1"]).key != one.key
    assert job_of(["seed=0", "cluster.gpus_per_node=null"]).key == KEY  # sets nothing of the training
    assert job_of(["~transform"]) == Job(job_of(["~transform"]).key, ("~transform",))


def test_jobs_are_named_by_what_they_do_not_share_and_a_single_one_by_all():
    one, other = job_of(["+experiment=a", "seed=0"]), job_of(["+experiment=a", "seed=1"])
    assert list(names([one, other]).values()) == ["seed=0", "seed=1"]
    assert names([one])[one.key].split() == ["+experiment=a", "seed=0"]


@given(st.lists(st.sampled_from("abcdef"), unique=True, min_size=2), st.randoms())
def test_a_sweep_keeps_its_folder_whatever_the_order_of_its_jobs(words, random):
    jobs = [job_of([f"name={word}"]) for word in words]
    shuffled = random.sample(jobs, len(jobs))
    assert sweep_folder("out", "x", jobs) == sweep_folder("out", "x", shuffled)
    assert sweep_folder("out", "x", jobs) != sweep_folder("out", "x", jobs[1:])


@pytest.mark.parametrize("text", ['{"sta', "[]"])
def test_a_damaged_record_is_not_taken_for_a_job_that_waits(tmp_path, text):
    write_record(tmp_path, JOB, status="finished")
    (tmp_path / "jobs" / f"{KEY}.json").write_text(text)
    with pytest.raises(UserError, match=f"{KEY}.json cannot be read"):
        read_record(tmp_path, KEY)


def test_the_record_of_a_job_that_goes_well(sweep):
    assert read_record(sweep, KEY) == {"key": KEY, "status": "waiting"}
    with job_record(["seed=0", "+cluster=slurm"], "run", first=True):
        sweeps.note_run(sweep / "run")
        running = read_record(sweep, KEY)
        assert (running["status"], running["pid"], running["attempts"]) == ("running", os.getpid(), 1)
    ended = read_record(sweep, KEY)
    assert (ended["status"], ended["run"], ended["host"], ended["pid"]) == ("finished", "run", None, None)
    assert sweeps.run_of(sweep, ended).folder == sweep / "run"
    assert ended["updated"] >= ended["started"]


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (UserError("wrong key"), "failed", "wrong key"),
        (ZeroDivisionError("a bug"), "failed", "ZeroDivisionError: a bug"),
        (KeyboardInterrupt(), "interrupted", None),
        (Preempted(15), "preempted", None),
    ],
)
def test_the_record_of_a_job_that_fails_and_then_goes_well(sweep, error, status, message):
    with pytest.raises(type(error)), job_record(["seed=0"], "run", first=True):
        raise error
    record = read_record(sweep, KEY)
    assert (record["status"], record["error"]) == (status, message)
    with job_record(["seed=0"], "run", first=True):
        pass
    record = read_record(sweep, KEY)
    assert (record["attempts"], record["status"], record["error"]) == (2, "finished", None)


def test_only_the_first_process_of_a_job_writes_and_none_outside_a_sweep(sweep, monkeypatch):
    for first in (False, True):
        with job_record(["seed=0"], "run", first=first):
            sweeps.note_run(sweep)
        assert not list(sweep.iterdir())
        monkeypatch.delenv(SWEEP_VARIABLE, raising=False)


def test_a_job_is_done_while_its_run_is_there_and_a_search_never(tmp_path):
    run = Run(tmp_path / "run")
    run.write_status("finished")
    write_record(tmp_path, Job("k", ()), status="finished", kind="run", run=str(tmp_path / "run"))
    write_record(tmp_path, Job("s", ()), status="finished", kind="search", run=str(tmp_path / "run"))
    assert [sweeps.is_done(tmp_path, key) for key in ("k", "s", "unknown")] == [True, False, False]
    run.write_status("running")
    assert not sweeps.is_done(tmp_path, "k")
