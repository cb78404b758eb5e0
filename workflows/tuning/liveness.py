"""Whether the processes that share a study live: each holds a file of its own, and touches it again and again."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Lock, Thread
from uuid import uuid4

from filelock import FileLock, Timeout

BEAT = 5.0  # seconds between two touches, at most


class Heartbeats:
    """The signs of life of all processes of a study, and this process's own.

    A process of this machine is dead when nobody holds the lock of its sign: that shows at once, whatever became of
    its number. A file system shared by several machines may take long to free the lock of a dead machine, or may not
    pass locks from one machine to another. So a process of another machine is dead when its sign has not been touched
    for a while *and* nobody holds its lock. Times are compared as the file system gives them, never by two clocks.

    Args:
        folder: Where the signs are.
        patience: Seconds without a touch after which a process of another machine may be dead.
    """

    def __init__(self, folder: Path, patience: float) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.patience = patience
        self.mine = uuid4().hex
        # Not of one thread: the one that touches the sign may have to take it up anew.
        self._lock = FileLock(folder / self.mine, thread_local=False)
        self._renewing = Lock()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold this process's sign, and touch it from a thread: a step of the training may take long."""
        sign = self.folder / self.mine
        ended = Event()
        with self._lock:
            thread = Thread(target=self._beat, args=(sign, ended), name="sign of life", daemon=True)
            thread.start()
            try:
                yield
            finally:
                ended.set()
                thread.join()
                sign.unlink(missing_ok=True)

    def renew(self) -> None:
        """Show this process's sign anew where it was removed, by hand or by one that took the process for dead.

        Without it, all that the process does from then on would be taken for a dead one's.
        """
        with self._renewing:
            if self._lock.is_locked and not (self.folder / self.mine).exists():
                self._lock.release()
                self._lock.acquire()

    def is_dead(self, name: str, elsewhere: bool) -> bool:
        """Tell whether the process of a sign is dead, and remove the sign if so; this process never is.

        Args:
            name: The sign.
            elsewhere: Whether it is of another machine.
        """
        sign = self.folder / name
        if name == self.mine:
            return False
        if not sign.exists():  # given up by its process, or by one that found it dead
            return True
        if elsewhere and self._silence(sign) <= self.patience:
            return False
        try:
            with FileLock(sign, timeout=0):
                pass
        except Timeout:
            return False
        sign.unlink(missing_ok=True)
        return True

    def _beat(self, sign: Path, ended: Event) -> None:
        while not ended.wait(min(BEAT, self.patience / 5)):
            with suppress(OSError):  # a file system that is away for a moment
                self.renew()
                os.utime(sign)

    def _silence(self, sign: Path) -> float:
        """Seconds since a sign was touched, by the clock of the file system: that of a file touched just now."""
        now = self.folder / f"{self.mine}.now"
        now.touch()
        try:
            return _touched(now) - _touched(sign)
        except FileNotFoundError:  # the process has just ended
            return float("inf")
        finally:
            now.unlink(missing_ok=True)


def _touched(path: Path) -> float:
    with open(path) as file:  # opened: a network's file system then asks its server, instead of what it remembers
        return os.fstat(file.fileno()).st_mtime
