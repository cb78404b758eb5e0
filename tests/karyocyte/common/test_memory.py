"""Freed memory is kept by the process, unless the user has set the allocator."""

import resource
import subprocess
import sys

import pytest

from karyocyte.common.memory import keep_freed_memory
from karyocyte.common.paths import ROOT

SCRIPT = """
import resource, sys
from karyocyte.common.memory import keep_freed_memory
kept = keep_freed_memory({})
def fill():
    for _ in range(5):
        bytearray(100_000_000)
fill()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
fill()
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
RETURNED = """
from pathlib import Path
from karyocyte.common.memory import keep_freed_memory, return_freed_memory
def pages():
    return int(Path("/proc/self/statm").read_text().split()[1])
kept = keep_freed_memory({})
bytearray(100_000_000)
before = pages()
return_freed_memory()
print(kept, before - pages())
"""


@pytest.mark.parametrize("name", ["MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"])
def test_the_settings_of_the_user_are_left_alone(name):
    assert keep_freed_memory({name: "1"}) is False


def test_memory_that_was_used_before_needs_no_new_pages():
    kept, faults = subprocess.check_output([sys.executable, "-c", SCRIPT], cwd=ROOT, text=True).split()
    if kept == "False":
        pytest.skip("not the GNU C library")
    pages = 100_000_000 // resource.getpagesize()
    assert int(faults) < pages // 10


@pytest.mark.skipif(sys.platform != "linux", reason="pages are counted by Linux")
def test_freed_memory_that_was_kept_is_returned():
    kept, returned = subprocess.check_output([sys.executable, "-c", RETURNED], cwd=ROOT, text=True).split()
    if kept == "False":
        pytest.skip("not the GNU C library")
    assert int(returned) > 90_000_000 // resource.getpagesize()
