"""Work that one of several processes does, while the others wait for its result."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from karyocyte.common.cli import say
from karyocyte.common.errors import UserError
from karyocyte.common.files import make_folder
from karyocyte.common.system import check_locks


def file_lock(lock_file: Path) -> FileLock:
    """Return the lock of a file, which nobody holds yet by this; its folder is made where it is missing.

    The operating system frees the lock of a process that ends, however it ends; the file itself may stay.

    Raises:
        UserError: The file system has no locks.
    """
    make_folder(lock_file.parent)
    try:
        check_locks(lock_file)
    except OSError as error:  # FileLock would try again for ever, or leave a lock that outlives a killed process
        remedy = "choose a folder on a local disk, or have this file system mounted with locks"
        raise UserError(f"{lock_file.parent} is on a file system without locks ({error.strerror}): {remedy}") from error
    return FileLock(lock_file)


def is_locked(lock_file: Path) -> bool:
    """Tell whether a process holds the lock of a file."""
    try:
        with file_lock(lock_file).acquire(timeout=0):
            return False
    except Timeout:
        return True


@contextmanager
def one_at_a_time(lock_file: Path, work: str) -> Iterator[None]:
    """Hold a lock for the length of the block; where another process has it, say so and wait.

    Args:
        lock_file: See ``file_lock``.
        work: What the process with the lock does, such as "reads 10,661 images".
    """
    lock = file_lock(lock_file)
    try:
        held = lock.acquire(timeout=0)
    except Timeout:
        say(f"waiting for another process, which {work}", str(lock_file))
        held = lock.acquire()
    with held:
        yield
