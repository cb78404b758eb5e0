"""Freed memory is kept by the process, unless the user has set the allocator."""

import resource
import subprocess
import sys

import pytest

from karyocyte.common.memory import keep_freed_memory
from karyocyte.common.paths import ROOT

KEPT = """
import resource
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


@pytest.mark.skipif(sys.platform != "linux", reason="pages are counted by Linux")
@pytest.mark.parametrize(("script", "low", "high"), [(KEPT, 0, 10e6), (RETURNED, 90e6, 110e6)])
def test_memory_that_was_used_before_needs_no_new_pages_and_is_returned(script, low, high):
    kept, pages = subprocess.check_output([sys.executable, "-c", script], cwd=ROOT, text=True).split()
    if kept == "False":
        pytest.skip("not the GNU C library")
    assert low <= int(pages) * resource.getpagesize() < high
