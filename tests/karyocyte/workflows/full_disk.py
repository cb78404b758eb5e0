"""A disk that is full when a test wants it."""

import resource
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass
class SmallDisk:
    """A folder on a small disk: a ``real`` one in memory, or else a limit to the size of files."""

    folder: Path
    real: bool

    def fill(self) -> None:
        """Let nothing more be written."""
        if not self.real:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
            return
        with suppress(OSError), open(self.folder / "filling", "wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass

    def free(self) -> None:
        """Let there be space again."""
        (self.folder / "filling").unlink(missing_ok=True)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[SmallDisk]:
    """Make a small disk at ``folder``, a real one where one may mount it (root on Linux), and remove it at the end."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    real = False
    with suppress(FileNotFoundError):
        real = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as Python does: the writing fails instead
    disk = SmallDisk(folder, real)
    try:
        yield disk
    finally:
        disk.free()
        signal.signal(signal.SIGXFSZ, before)
        if real:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
