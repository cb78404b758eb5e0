"""Signals: heeded at once, noted in a training, and everything as before afterwards."""

import os
import pickle
import signal
import time
from collections.abc import Callable

import pytest

from karyocyte.common.preemption import Preempted, in_training, leave, note_progress, pending, requeue, watched

WARNINGS = [signal.SIGUSR1, signal.SIGUSR2]
ALL = [signal.SIGTERM, *WARNINGS]
SLURM = ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_RESTART_COUNT")


def ending(block: Callable[[], None], **how) -> Preempted:
    """Run a block that is watched and leaves; return its exception."""
    with pytest.raises(Preempted) as caught, watched(**how):
        block()
    return caught.value


def sigterm() -> None:
    signal.raise_signal(signal.SIGTERM)


def handlers():
    return [signal.getsignal(signum) for signum in ALL]


@pytest.fixture(autouse=True)
def outside_slurm(monkeypatch):
    """No Slurm, unless a test says so; the handlers as they were, whatever a job of Slurm leaves."""
    for name in SLURM:
        monkeypatch.delenv(name, raising=False)
    before = handlers()
    yield
    for signum, handler in zip(ALL, before, strict=True):
        signal.signal(signum, handler)


class Slurm:
    """A Slurm whose scontrol and squeue note what they are asked, and answer as they are told."""

    def __init__(self, folder):
        self.folder = folder
        self.answer("scontrol")
        self.answer("squeue")

    def answer(self, name: str, text: str = "", error: str = "", code: int = 0) -> None:
        lines = ["#!/bin/sh", f'echo "$@" >> {self.folder}/{name}.calls', f"printf '{text}'", f"echo '{error}' >&2"]
        (self.folder / name).write_text("\n".join([*lines, f"exit {code}\n"]))
        (self.folder / name).chmod(0o755)

    def calls(self, name: str = "scontrol") -> list[str]:
        path = self.folder / f"{name}.calls"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def slurm(monkeypatch, tmp_path):
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return Slurm(tmp_path)


def test_a_signal_leaves_at_once_and_the_handlers_are_restored():
    before = handlers()
    went = []
    end = ending(lambda: (sigterm(), went.append("on")))
    assert went == []
    assert (end.code, end.status, str(end)) == (143, "preempted", "SIGTERM")
    assert handlers() == before


def test_it_passes_what_catches_exceptions_and_can_be_pickled():
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

    assert ending(train).signum == signal.SIGTERM
    assert noted == [None, signal.SIGTERM]
    assert pending() is None


@pytest.mark.parametrize("error", [None, OSError("the disk")])
def test_a_training_that_did_not_leave_by_itself_leaves_at_its_end(error, capsys):
    went = []

    def train() -> None:
        with in_training():
            sigterm()
            if error:
                raise error
        went.append("on")

    ending(train)
    assert went == []
    assert (str(error) in capsys.readouterr().out) == bool(error)


def test_ctrl_c_and_errors_without_a_signal_stay_what_they_are():
    with pytest.raises(KeyboardInterrupt), watched(), in_training():
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(OSError, match="the disk"), watched(), in_training():
        raise OSError("the disk")


def test_warnings_mean_nothing_outside_slurm():
    seen = []
    for signum in WARNINGS:
        signal.signal(signum, lambda number, _: seen.append(number))
    with watched():
        for signum in WARNINGS:
            signal.raise_signal(signum)
    assert seen == WARNINGS


def test_a_warning_of_slurm_queues_the_job_again_once_all_is_written(slurm):
    before = []

    def write() -> None:
        try:
            signal.raise_signal(signal.SIGUSR2)
        finally:
            before.extend(slurm.calls())

    ending(write)
    assert (before, slurm.calls()) == ([], ["requeue 17"])
    sigterm()  # what Slurm sends then to the process that is leaving


@pytest.mark.parametrize(
    ("state", "code", "calls"),
    [
        pytest.param("RUNNING\\n", 0, ["requeue 12_4"], id="grace time of a preemption: would count as done"),
        pytest.param("SIGNALING\\n", 0, ["requeue 12_4"], id="one of its nodes has not confirmed the signal"),
        pytest.param("COMPLETING\\n", 0, [], id="cancelled, or requeued by Slurm"),
        pytest.param("", 1, [], id="squeue fails"),
    ],
)
def test_sigterm_queues_again_only_what_slurm_counts_as_running(slurm, monkeypatch, state, code, calls):
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "12")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "4")
    slurm.answer("squeue", state, code=code)
    ending(sigterm)
    assert slurm.calls() == calls
    assert "--jobs=12_4" in slurm.calls("squeue")[0]


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGUSR1])
def test_only_the_first_process_queues_the_job_again_and_exits_with_an_error(slurm, signum):
    slurm.answer("squeue", "RUNNING\\n")
    assert ending(lambda: signal.raise_signal(signum), first=False).code == 0
    assert slurm.calls() == slurm.calls("squeue") == []


@pytest.mark.parametrize(
    ("restarts", "saves", "again"), [(1, False, True), (2, False, False), (9, False, False), (9, True, True)]
)
def test_a_time_limit_too_short_to_save_queues_no_job_for_ever(slurm, monkeypatch, capsys, restarts, saves, again):
    def train() -> None:
        if saves:
            note_progress()
        signal.raise_signal(signal.SIGUSR2)

    monkeypatch.setenv("SLURM_RESTART_COUNT", str(restarts))
    ending(train)
    assert bool(slurm.calls()) == again
    assert ("more time (cluster.timeout_min)" in " ".join(capsys.readouterr().out.split())) != again


def test_a_requeue_that_fails_is_reported_unless_another_process_was_first(slurm, capsys, monkeypatch):
    slurm.answer("scontrol", error="slurm_requeue error: Requested operation is presently disabled", code=1)
    requeue()
    output = " ".join(capsys.readouterr().out.split())
    for words in ("scontrol requeue 17 failed", "presently disabled", "by hand"):
        assert words in output
    slurm.answer("scontrol", error="slurm_requeue error: Job is pending execution for job 17", code=1)
    requeue()
    assert capsys.readouterr().out == ""
    monkeypatch.setenv("PATH", "")
    requeue()
    assert "failed" in capsys.readouterr().out


def test_within_itself_it_changes_nothing():
    with watched():
        ours = handlers()
        with watched():
            assert handlers() == ours
        assert handlers() == ours


def test_a_forked_child_ends_by_sigterm_as_ever_and_leaves_warnings_to_its_parent(slurm):
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
