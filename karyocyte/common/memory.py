"""The memory of this process, as the C library handles it."""

import ctypes
import os
from collections.abc import Mapping
from contextlib import suppress

# Parameters of glibc's mallopt (malloc.h).
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4
NO_GLIBC = (OSError, TypeError, AttributeError)  # what its functions raise on macOS, Windows and with musl
OWN_SETTINGS = ("MALLOC_", "GLIBC_TUNABLES")  # variables by which a user sets the allocator


def keep_freed_memory(environment: Mapping[str, str] = os.environ) -> bool:
    """Keep freed memory for the next allocation; return whether that is so.

    glibc maps every allocation above 32 MB anew, and the kernel clears its pages: of a training step of MobileNetV2 on
    a CPU that was almost half (results/memory.csv). The settings of a user (``MALLOC_...``) are left alone.
    """
    if any(name.startswith(OWN_SETTINGS) for name in environment):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except NO_GLIBC:
        return False
    return bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, -1))


def return_freed_memory() -> None:
    """Return the freed memory that was kept to the system, once."""
    with suppress(*NO_GLIBC):
        ctypes.CDLL(None).malloc_trim(0)
