"""Signals: heeded at once, noted in a training, and everything as before afterwards."""

import os
import pickle
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from common.preemption import Preempted, in_training, leave, note_progress, pending, requeue, watched

WARNINGS = [signal.SIGUSR1, signal.SIGUSR2]
ALL = [signal.SIGTERM, *WARNINGS]
SLURM = ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_RESTART_COUNT")


def left(block: Callable[[], None], **how) -> Preempted:
    """Go through a block that is watched and leaves; return how."""
    with pytest.raises(Preempted) as caught, watched(**how):
        block()
    return caught.value


def sigterm() -> None:
    signal.raise_signal(signal.SIGTERM)


@pytest.fixture(autouse=True)
def outside_slurm(monkeypatch):
    """No Slurm, unless a test says so; the handlers as they were, whatever a job of Slurm leaves."""
    for name in SLURM:
        monkeypatch.delenv(name, raising=False)
    before = {signum: signal.getsignal(signum) for signum in ALL}
    yield
    for signum, handler in before.items():
        signal.signal(signum, handler)


def _program(path: Path, *lines: str) -> None:
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)


@pytest.fixture
def scontrol(monkeypatch, tmp_path):
    """A Slurm whose scontrol and squeue note what they are asked, and say what they are told to say."""
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def make(answer: str = "", code: int = 0, state: str = "", state_code: int = 0):
        _program(tmp_path / "scontrol", f'echo "$@" >> {tmp_path}/asked', f'echo "{answer}" >&2', f"exit {code}")
        _program(tmp_path / "squeue", f'echo "$@" >> {tmp_path}/looked', f'printf "{state}"', f"exit {state_code}")

    def asked() -> list[str]:
        return (tmp_path / "asked").read_text().splitlines() if (tmp_path / "asked").exists() else []

    make()
    return make, asked


def test_sigterm_is_heeded_at_once_and_its_handler_is_back_afterwards():
    before = [signal.getsignal(signum) for signum in ALL]
    went = []
    gone = left(lambda: (sigterm(), went.append("on")))
    assert went == []
    assert (gone.code, gone.status, str(gone)) == (143, "preempted", "SIGTERM")
    assert [signal.getsignal(signum) for signum in ALL] == before


def test_it_passes_what_catches_exceptions_and_the_way_between_processes():
    assert issubclass(Preempted, SystemExit)
    assert not issubclass(Preempted, Exception)
    copy = pickle.loads(pickle.dumps(Preempted(signal.SIGUSR2, first=False)))
    assert (copy.signum, copy.first, copy.code) == (signal.SIGUSR2, False, 0)


def test_in_a_training_it_is_noted_until_the_training_leaves():
    noted = []

    def train() -> None:
        with in_training():
            noted.append(pending())
            sigterm()
            noted.append(pending())
            leave()

    assert left(train).signum == signal.SIGTERM
    assert noted == [None, signal.SIGTERM]
    assert pending() is None


@pytest.mark.parametrize("error", [None, OSError("the disk"), RuntimeError("another process has ended")])
def test_a_training_that_did_not_leave_by_itself_leaves_at_its_end(error, capsys):
    went = []

    def train() -> None:
        with in_training():
            sigterm()
            if error:
                raise error
        went.append("on")

    left(train)
    assert went == []
    assert (str(error) in capsys.readouterr().out) == bool(error)


def test_ctrl_c_and_errors_without_a_signal_stay_what_they_are():
    with pytest.raises(KeyboardInterrupt), watched(), in_training():
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(OSError, match="the disk"), watched(), in_training():
        raise OSError("the disk")


def test_a_second_signal_does_not_disturb_who_is_leaving():
    tidied = []

    def tidy() -> None:
        try:
            sigterm()
        finally:
            sigterm()
            tidied.append(True)

    left(tidy)
    assert tidied == [True]


def test_warnings_mean_nothing_outside_slurm():
    seen = []
    for signum in WARNINGS:
        signal.signal(signum, lambda number, _: seen.append(number))
    with watched():
        for signum in WARNINGS:
            signal.raise_signal(signum)
    assert seen == WARNINGS


@pytest.mark.parametrize("signum", WARNINGS)
def test_a_warning_of_slurm_queues_the_job_again_once_all_is_written(scontrol, signum):
    _, asked = scontrol
    before = []

    def write() -> None:
        try:
            signal.raise_signal(signum)
        finally:
            before.append(asked())

    left(write)
    assert before == [[]]
    assert asked() == ["requeue 17"]
    sigterm()  # what Slurm sends then to the process that is leaving


def test_a_member_of_an_array_is_queued_again_alone(scontrol, monkeypatch):
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "12")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "0")
    requeue()
    assert scontrol[1]() == ["requeue 12_0"]


def test_a_job_in_the_grace_time_of_a_preemption_is_queued_again_since_slurm_would_count_it_as_done(
    scontrol, monkeypatch, tmp_path
):
    make, asked = scontrol
    make(state="RUNNING\\n")
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "12")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "4")
    left(sigterm)
    assert asked() == ["requeue 12_4"]
    assert "--jobs=12_4" in (tmp_path / "looked").read_text()


@pytest.mark.parametrize(
    ("state", "code"),
    [
        pytest.param("COMPLETING\\n", 0, id="cancelled, or requeued by Slurm"),
        pytest.param("CANCELLED\\n", 0, id="cancelled"),
        pytest.param("PENDING\\n", 0, id="queued again already"),
        pytest.param("", 0, id="squeue knows no such job"),
        pytest.param("", 1, id="squeue fails"),
    ],
)
def test_a_job_that_slurm_does_not_count_as_running_is_not_queued_again_by_itself(scontrol, state, code):
    make, asked = scontrol
    make(state=state, state_code=code)
    left(sigterm)
    assert asked() == []


def test_without_squeue_a_sigterm_is_taken_for_a_cancellation(scontrol, tmp_path):
    (tmp_path / "squeue").unlink()
    (tmp_path / "squeue").mkdir()  # what cannot be run
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        left(sigterm)
    assert scontrol[1]() == []


def test_only_the_first_process_looks_and_queues_a_displaced_job_again(scontrol, tmp_path):
    make, asked = scontrol
    make(state="RUNNING\\n")
    left(sigterm, first=False)
    assert asked() == []
    assert not (tmp_path / "looked").exists()


def test_a_time_limit_too_short_to_save_anything_does_not_queue_the_job_for_ever(scontrol, monkeypatch, capsys):
    _, asked = scontrol

    def warned() -> None:
        signal.raise_signal(signal.SIGUSR2)

    def saved() -> None:
        note_progress()
        warned()

    for restarts, again in [("1", True), ("2", False), ("9", False)]:
        monkeypatch.setenv("SLURM_RESTART_COUNT", restarts)
        before = len(asked())
        left(warned)
        assert len(asked()) == before + again
    assert "needs more time (cluster.timeout_min)" in " ".join(capsys.readouterr().out.split())
    left(saved)
    assert len(asked()) == 2


def test_only_the_first_process_queues_the_job_again_and_exits_with_an_error(scontrol):
    assert left(lambda: signal.raise_signal(signal.SIGUSR1), first=False).code == 0
    assert scontrol[1]() == []


def test_a_requeue_that_fails_is_told_unless_another_process_was_first(scontrol, capsys, monkeypatch):
    make, _ = scontrol
    make("slurm_requeue error: Requested operation is presently disabled", 1)
    requeue()
    said = " ".join(capsys.readouterr().out.split())
    assert "scontrol requeue 17 failed" in said
    assert "presently disabled" in said
    assert "by hand" in said
    make("slurm_requeue error: Job is pending execution for job 17", 1)
    requeue()
    assert capsys.readouterr().out == ""
    monkeypatch.setenv("PATH", "")
    requeue()
    assert "failed" in capsys.readouterr().out


def test_within_a_thread_and_within_itself_it_changes_nothing():
    before = signal.getsignal(signal.SIGTERM)
    went = []

    def work():
        with watched(), in_training():
            went.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert went == [before]
    with watched():
        ours = signal.getsignal(signal.SIGTERM)
        with watched():
            assert signal.getsignal(signal.SIGTERM) is ours
        assert signal.getsignal(signal.SIGTERM) is ours
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_forked_child_ends_by_sigterm_as_ever_and_leaves_warnings_to_its_parent(scontrol):
    with watched():
        child = os.fork()
        if not child:
            time.sleep(20)
            os._exit(3)
        os.kill(child, signal.SIGUSR2)
        time.sleep(0.1)
        assert os.waitpid(child, os.WNOHANG) == (0, 0)
        os.kill(child, signal.SIGTERM)
        assert os.waitpid(child, 0)[1] == signal.SIGTERM
