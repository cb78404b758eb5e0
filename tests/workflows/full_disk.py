"""A disk that is full when a test wants it."""

import resource
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class SmallDisk:
    """A folder of its own on a small disk: a real one in memory where one may mount it (root on Linux).

    Elsewhere, a full disk is a limit to the size of files, which fails the writing in the same place.
    """

    LIMIT = 1000  # bytes

    def __init__(self, folder: Path, real: bool) -> None:
        self.folder = folder
        self.real = real

    def fill(self) -> None:
        """Let nothing more be written."""
        if not self.real:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.LIMIT, resource.RLIM_INFINITY))
            return
        with suppress(OSError), open(self.folder / "filling", "wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass

    def free(self) -> None:
        """Let there be space again."""
        if self.real:
            (self.folder / "filling").unlink(missing_ok=True)
        else:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[SmallDisk]:
    """Make one at ``folder``, and take it away at the end."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    try:
        real = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        real = False
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as Python does: the writing fails instead
    disk = SmallDisk(folder, real)
    try:
        yield disk
    finally:
        disk.free()
        signal.signal(signal.SIGXFSZ, before)
        if real:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
