"""What a cluster tells a job by a signal: leave, with your state saved.

SIGTERM says so anywhere: Slurm sends it to a job that another one displaces, that is cancelled, or whose time is over.
SIGUSR1 and SIGUSR2 are what one asks Slurm to send some time before that (``--signal``); outside Slurm they mean
nothing here. Ctrl-C stays what it is.
"""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

from common.cli import warn

WARNINGS = (signal.SIGUSR1, signal.SIGUSR2)  # before the time limit: Slurm does not queue the job again by itself
PATIENCE = 60  # seconds to wait for Slurm's answer
# Times that Slurm may have started a job again, when a whole stretch of it saves nothing: one more would not either.
FRUITLESS = 2
# What Slurm answers where somebody else was first: another process of the job, or Slurm itself.
REQUEUED = ("Job is pending execution", "can not be altered now", "already completing")


class Preempted(SystemExit):
    """The job has to leave its place; what a resume needs is saved.

    A ``SystemExit``, so that it goes through whatever catches ``Exception``: Hydra, submitit, joblib. The exit code
    is that of a process ended by SIGTERM; only the first of several processes has it: one that exits with an error
    makes srun end the others, and the first one is still busy.

    Attributes:
        signum: The signal.
        first: Whether this is the first, or only, process of its job.
        status: What the records say.
    """

    status = "preempted"

    def __init__(self, signum: int, first: bool = True) -> None:
        super().__init__(signum, first)
        self.signum = signum
        self.first = first
        if first:
            self.code = 128 + signal.SIGTERM
        else:
            self.code = 0

    def __str__(self) -> str:
        return signal.Signals(self.signum).name


@dataclass
class _Watch:
    """The signals that this process has received.

    Attributes:
        process: The one that watches; a forked child inherits its handlers.
        first: Whether it is the first of its job's processes.
        training: Whether signals are only noted.
        noted: The first signal that has come.
        leaving: Whether ``Preempted`` was raised: more signals say nothing new.
        progressed: Whether something is saved that was not there before.
    """

    process: int
    first: bool
    training: bool = False
    noted: int | None = None
    leaving: bool = False
    progressed: bool = False


_watches: list[_Watch] = []


@contextmanager
def watched(first: bool = True) -> Iterator[None]:
    """Heed the signals within the block: they raise ``Preempted`` at once, in a training when its state is saved.

    Where a warning before the time limit was heeded, Slurm is asked at the end to queue the job again; but not for
    ever, where the limit is too short to save anything. Handlers that are there (submitit's would exit in the middle of
    a step) are back afterwards; but in a job of Slurm that is leaving, what else comes stays unheeded. Outside the main
    thread, and within another ``watched``, nothing happens.

    Args:
        first: Whether this is the first of the job's processes, or its only one.

    Raises:
        Preempted: A signal came.
    """
    if _watches or threading.current_thread() is not threading.main_thread():
        yield
        return
    watch = _Watch(os.getpid(), first)
    _watches.append(watch)
    before = {signum: signal.signal(signum, _heed) for signum in _signals()}
    leaves = False
    try:
        yield
    except Preempted as preempted:
        leaves = slurm_job() is not None
        if leaves and preempted.first and _is_to_go_on(preempted.signum, watch.progressed):
            requeue()
        raise
    finally:
        _watches.remove(watch)
        for signum, handler in before.items():
            # None: set by something else than Python, which cannot be set again from here.
            signal.signal(signum, signal.SIG_IGN if leaves else handler or signal.SIG_DFL)


@contextmanager
def in_training() -> Iterator[None]:
    """Only note signals within the block, which asks ``pending`` when its state can be saved, and then calls ``leave``.

    Raises:
        Preempted: A signal came and the block did not heed it: it had ended, or it failed. What it failed of is told,
            and comes again when the job goes on.
    """
    if _watches:
        watch = _watches[-1]
    else:
        watch = _Watch(os.getpid(), first=True)
    watch.training = True
    try:
        yield
    except Exception as error:
        watch.training = False
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
    if _watches:
        return _watches[-1].noted
    return None


def note_progress() -> None:
    """Note that a state is saved which the job goes on from, farther than the one that it began with."""
    if _watches:
        _watches[-1].progressed = True


def leave(signum: int | None = None, first: bool | None = None) -> NoReturn:
    """Raise ``Preempted``.

    Args:
        signum: The signal, which another process than this one may have got; None: the one that was noted here.
        first: Whether this is the first of the job's processes; None: as ``watched`` was told.
    """
    if _watches:
        watch = _watches[-1]
    else:
        watch = _Watch(os.getpid(), first=True)
    watch.leaving = True
    watch.noted = watch.noted or signum or signal.SIGTERM
    raise Preempted(signum or watch.noted, watch.first if first is None else first)


def slurm_job() -> str | None:
    """Return the id of the present Slurm job, of its array member alone where it is one; None outside Slurm."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    task = os.environ.get("SLURM_ARRAY_TASK_ID")
    if array and task:
        return f"{array}_{task}"
    return os.environ.get("SLURM_JOB_ID")


def requeue() -> None:
    """Ask Slurm to queue the present job again; it then goes on from where it was saved. Where that fails, say so."""
    command = ["scontrol", "requeue", slurm_job() or ""]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        reason = done.stderr.strip() or f"exit code {done.returncode}"
    except (OSError, subprocess.TimeoutExpired) as error:
        done = None
        reason = str(error)
    # Slurm ends the job's processes at once, and may reach scontrol itself before it has ended.
    well = done is not None and done.returncode in (0, -signal.SIGTERM)
    if not well and not any(answer in reason for answer in REQUEUED):
        warn(f"{' '.join(command)} failed ({reason}): submit the job again by hand, it goes on where it was saved")


def _is_to_go_on(signum: int, progressed: bool) -> bool:
    """Whether Slurm must be asked to queue the present job again."""
    if signum not in WARNINGS:
        return _still_counts()
    restarts = int(os.environ.get("SLURM_RESTART_COUNT", 0))
    if progressed or restarts < FRUITLESS:
        return True
    warn(f"nothing new was saved, in start {restarts + 1} of this job: it needs more time (cluster.timeout_min)")
    return False


def _still_counts() -> bool:
    """Whether Slurm counts the present job as running, though it was told to leave.

    So it is in the grace time of a preemption: a job that ends by itself within it counts as done, and Slurm does not
    queue it again. One that was cancelled, or requeued by Slurm, is "completing" already.
    """
    command = ["squeue", "--noheader", f"--jobs={slurm_job()}", "--format=%T"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.stdout.strip() == "RUNNING"


def ignore_in_worker() -> None:
    """Leave signals to the parent process: Slurm sends them to every process of a job.

    For the workers of a data loader, which end when their parent says so or is gone: one that died of the signal would
    make the parent fail before it has saved.
    """
    for signum in (signal.SIGTERM, *WARNINGS):
        signal.signal(signum, signal.SIG_IGN)


def _signals() -> tuple[signal.Signals, ...]:
    if slurm_job():
        return (signal.SIGTERM, *WARNINGS)
    return (signal.SIGTERM,)


def _heed(signum: int, frame: FrameType | None) -> None:
    """Note the signal and, outside a training, raise ``Preempted``; a second one says nothing new."""
    if _watches:
        watch = _watches[-1]
    else:
        watch = None
    if watch is None or watch.process != os.getpid():
        _as_child(signum)
        return
    watch.noted = watch.noted or signum
    if not watch.training and not watch.leaving:
        leave()


def _as_child(signum: int) -> None:
    """In a forked child, which serves its parent: SIGTERM ends it, as ever; the warnings are for the parent."""
    if signum == signal.SIGTERM:
        signal.signal(signum, signal.SIG_DFL)
        os.kill(os.getpid(), signum)
