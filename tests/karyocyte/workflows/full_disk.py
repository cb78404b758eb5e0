"""A disk that is full when a test wants it: writing fails by a limit to the size of files."""

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager

UNLIMITED = resource.RLIM_INFINITY


def fill_disk(size: int = 1000) -> None:
    """Let no file become larger than so many bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, UNLIMITED))


def free_disk() -> None:
    """Let there be space again."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (UNLIMITED, UNLIMITED))


@contextmanager
def disk_to_fill() -> Iterator[None]:
    """Let the disk be filled within the block."""
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as Python does: the writing fails instead
    try:
        yield
    finally:
        free_disk()
        signal.signal(signal.SIGXFSZ, before)
