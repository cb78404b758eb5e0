"""Preemption: a cluster's signal ends the job after it has saved its state.

SIGTERM says so anywhere: Slurm sends it to a job that another one displaces, that is cancelled, or whose time is over.
SIGUSR1 and SIGUSR2 are what one asks Slurm to send some time before that (``--signal``); outside Slurm they mean
nothing here. Ctrl-C stays what it is.
"""

import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

from karyocyte.common.cli import warn
from karyocyte.common.system import WARNINGS

PATIENCE = 60  # seconds to wait for Slurm's answer
# Times that Slurm may have started a job again, when a whole stretch of it saves nothing: one more would not either.
FRUITLESS = 2
# What Slurm answers where somebody else was first: another process of the job, or Slurm itself.
REQUEUED = ("Job is pending execution", "can not be altered now", "already completing")


class Preempted(SystemExit):
    """The job has to leave its place; what a resume needs is saved.

    A ``SystemExit``, so that it goes through whatever catches ``Exception``: Hydra, joblib. Only the first of several
    processes has the exit code of one ended by SIGTERM: at an error srun would end the others, and the first is busy.
    """

    status = "preempted"

    def __init__(self, signum: int, first: bool = True) -> None:
        super().__init__(signum, first)
        self.signum = signum
        self.first = first
        self.code = first * (128 + signal.SIGTERM)

    def __str__(self) -> str:
        return signal.Signals(self.signum).name


@dataclass
class _Watch:
    """The signals that this process has received."""

    process: int | None = None  # the one that watches, None: none; a forked child inherits its handlers
    first: bool = True
    training: bool = False  # signals are only noted
    noted: int | None = None
    leaving: bool = False  # Preempted was raised: more signals say nothing new
    progressed: bool = False  # something is saved that was not there before


_watch = _Watch()


@contextmanager
def watched(first: bool = True) -> Iterator[None]:
    """Handle the signals within the block: they raise ``Preempted`` at once, in a training when its state is saved.

    After a warning before the time limit, Slurm is asked at the end to queue the job again, unless the limit has been
    too short to save anything. The earlier handlers are restored; a job of Slurm that is leaving ignores further
    signals. Outside the main thread, and within another ``watched``, nothing happens. ``first``: whether this is the
    job's first process.
    """
    global _watch
    if _watch.process is not None or threading.current_thread() is not threading.main_thread():
        yield
        return
    _watch = _Watch(os.getpid(), first)
    # Outside Slurm the warnings mean nothing.
    heeded = (signal.SIGTERM, *WARNINGS * bool(slurm_job()))
    before = {signum: signal.signal(signum, _on_signal) for signum in heeded}
    leaves = False
    try:
        yield
    except Preempted as preempted:
        leaves = slurm_job() is not None
        if leaves and preempted.first and _is_to_go_on(preempted.signum, _watch.progressed):
            requeue()
        raise
    finally:
        _watch = _Watch()
        for signum, handler in before.items():
            # None: set by something else than Python, which cannot be set again from here.
            signal.signal(signum, signal.SIG_IGN if leaves else handler or signal.SIG_DFL)


@contextmanager
def in_training() -> Iterator[None]:
    """Only note signals within the block, which asks ``pending`` when its state can be saved, and then calls ``leave``.

    A signal that the block did not heed raises ``Preempted`` at its end; an error that is lost by that is printed.
    """
    watch = _watch
    watch.training = True
    try:
        yield
    except Exception as error:
        if watch.noted is None:
            raise
        warn(f"{type(error).__name__}: {error}")
        leave()
    finally:
        watch.training = False
    if watch.noted is not None:
        leave()


def pending() -> int | None:
    """Return the signal that was noted, None where none was."""
    return _watch.noted


def note_progress() -> None:
    """Note that a state is saved which the job goes on from, farther than the one that it began with."""
    _watch.progressed = True


def leave(signum: int | None = None, first: bool | None = None) -> NoReturn:
    """Raise ``Preempted`` for the signal, by default the one that was noted here; another process may have got it."""
    signum = signum or _watch.noted or signal.SIGTERM
    if _watch.process is not None:
        _watch.leaving = True
        _watch.noted = _watch.noted or signum
    raise Preempted(signum, _watch.first if first is None else first)


def slurm_job() -> str | None:
    """Return the id of the present Slurm job, of its array member alone where it is one; None outside Slurm."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    task = os.environ.get("SLURM_ARRAY_TASK_ID")
    if array and task:
        return f"{array}_{task}"
    return os.environ.get("SLURM_JOB_ID")


def call_slurm(*command: str, timeout: float | None = PATIENCE) -> "subprocess.CompletedProcess[str]":
    """Run a command of Slurm; one that does not answer, or is missing, has the exit code 127 and says why on stderr."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))


def requeue() -> None:
    """Ask Slurm to queue the present job again; it then goes on from where it was saved. Where that fails, say so."""
    command = f"scontrol requeue {slurm_job()}"
    done = call_slurm(*command.split())
    # Slurm ends the job's processes at once, and may reach scontrol itself before it has ended.
    if done.returncode not in (0, -signal.SIGTERM) and not re.search("|".join(REQUEUED), done.stderr):
        reason = done.stderr.strip() or f"exit code {done.returncode}"
        warn(f"{command} failed ({reason}): submit the job again by hand, it goes on where it was saved")


def _is_to_go_on(signum: int, progressed: bool) -> bool:
    """Whether Slurm must be asked to queue the present job again."""
    if signum not in WARNINGS:
        # In the grace time of a preemption a job is running, or "signaling" until each of its nodes has confirmed the
        # signal: if it ended now, it would count as done. One that was cancelled, or requeued by Slurm, is completing.
        answer = call_slurm("squeue", "--noheader", f"--jobs={slurm_job()}", "--format=%T")
        return answer.stdout.strip() in ("RUNNING", "SIGNALING")
    restarts = int(os.environ.get("SLURM_RESTART_COUNT", 0))
    if progressed or restarts < FRUITLESS:
        return True
    warn(f"nothing new was saved, in start {restarts + 1} of this job: it needs more time (cluster.timeout_min)")
    return False


def ignore_in_worker() -> None:
    """Leave signals, which Slurm sends to every process of a job, to the parent: for the workers of a data loader.

    One that died of the signal would make the parent fail before it has saved.
    """
    for signum in (signal.SIGTERM, *WARNINGS):
        signal.signal(signum, signal.SIG_IGN)


def _on_signal(signum: int, frame: FrameType | None) -> None:
    """Note the signal and, outside a training, raise ``Preempted``; a second one says nothing new."""
    if _watch.process == os.getpid():
        _watch.noted = _watch.noted or signum
        if not _watch.training and not _watch.leaving:
            leave()
    elif signum == signal.SIGTERM:  # in a forked child, which it ends, as ever; the warnings are for the parent
        signal.signal(signum, signal.SIG_DFL)
        os.kill(os.getpid(), signum)
