"""The memory of this process, as the C library handles it."""

import ctypes
import os
import resource
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

# Parameters of glibc's mallopt (malloc.h).
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4
OWN_SETTINGS = ("MALLOC_", "GLIBC_TUNABLES")  # variables by which a user sets the allocator


def keep_freed_memory(environment: Mapping[str, str] = os.environ) -> bool:
    """Keep freed memory for the next allocation, instead of returning it to the system.

    glibc maps every allocation above 32 MB anew, and the kernel clears its pages at their first use: of a training step
    of MobileNetV2 on 32 images of 224 px, on a CPU, that was almost half (`benchmarks/speed`). The results are the
    same; the process holds its largest memory until its end. The settings of a user (``MALLOC_...``,
    ``GLIBC_TUNABLES``) are left alone.

    Returns:
        Whether it is so from now on; other C libraries have no such setting.
    """
    if any(name.startswith(OWN_SETTINGS) for name in environment):
        return False
    mallopt = _of_glibc("mallopt")
    return mallopt is not None and bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, -1))


def return_freed_memory() -> None:
    """Return freed memory to the system once, so that what comes is measured without what was."""
    malloc_trim = _of_glibc("malloc_trim")
    if malloc_trim is not None:
        malloc_trim(0)


def peak_memory() -> int:
    """Return the peak memory of this process in bytes: on Linux since the peak was reset, else ever."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _of_glibc(name: str) -> Any:
    """Return a function of glibc; None where the C library is another one."""
    try:
        return getattr(ctypes.CDLL(None), name)
    except (OSError, TypeError, AttributeError):  # macOS, Windows, musl
        return None
