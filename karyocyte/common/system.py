"""What Linux has and other systems lack, in one place: without it, the rest of the programs works."""

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None  # type: ignore[assignment]

# What Slurm sends before a time limit; none where the system has no such signals.
WARNINGS = tuple(signum for signum in signal.Signals if signum.name in ("SIGUSR1", "SIGUSR2"))
_ALARM = getattr(signal, "SIGALRM", None)
_CHILD_ENDED = getattr(signal, "SIGCHLD", None)


def check_locks(file: Path) -> None:
    """Raise the OSError of a file system without locks; Windows always has them."""
    if fcntl is None:
        return
    with open(file, "ab") as opened, suppress(BlockingIOError):  # another process holds the lock: there are locks
        fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)


def cpu_seconds() -> float:
    """Return the processor time of this process and, but for Windows, of the children that it has waited for."""
    return sum(os.times()[:4])


def processors() -> int:
    """Return the number of processors that this process may use: on a cluster fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def set_alarm(seconds: float, handler: Any) -> Any:
    """Call ``handler`` after some seconds, 0: never; return the handler before it. Windows has no alarms."""
    if _ALARM is None:
        return None
    signal.setitimer(signal.ITIMER_REAL, 0)  # an alarm that is due would meet the other handler
    before = signal.signal(_ALARM, handler)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    return before


@contextmanager
def unheard_ends() -> Iterator[None]:
    """Set torch's handler of SIGCHLD aside, which raises an error where it finds a process killed before its join."""
    handler = signal.signal(_CHILD_ENDED, signal.SIG_DFL) if _CHILD_ENDED else None
    try:
        yield
    finally:
        if _CHILD_ENDED:
            signal.signal(_CHILD_ENDED, handler or signal.SIG_DFL)


def end_with_parent() -> None:
    """Let Linux end this process by SIGTERM when its parent is gone, however that ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
