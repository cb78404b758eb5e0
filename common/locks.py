"""Work that one of several processes does, while the others wait for its result."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from common.cli import say

POLL_SECONDS = 0.2


@contextmanager
def one_at_a_time(lock_file: Path, work: str) -> Iterator[None]:
    """Hold a lock for the length of the block; where another process has it, say so and wait.

    The operating system frees the lock of a process that ends, however it ends; the file itself may stay.

    Args:
        lock_file: Its folder is made where it is missing.
        work: What the process with the lock does, such as "reads 10,661 images".
    """
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(lock_file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"waiting for another process, which {work}", str(lock_file))
        lock.acquire(poll_interval=POLL_SECONDS)
    try:
        yield
    finally:
        lock.release()
