"""Processes that wait for one another: said once, and over as soon as the other one is done, or dead."""

import subprocess
import sys

import pytest

from datamodules.io.whole_folder import make_once, whole_folder
from karyocyte.common import locks

HOLDER = """
import sys, time
from filelock import FileLock
lock = FileLock(sys.argv[1])
lock.acquire()
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lock of `data`, and would do so for ten minutes."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "data.lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_who_waits_says_for_what_and_goes_on_when_the_other_process_is_killed(tmp_path, monkeypatch, holder):
    said = []

    def say_and_kill(*lines):
        said.append(lines)
        holder.kill()

    monkeypatch.setattr(locks, "say", say_and_kill)
    (tmp_path / ".data-half").mkdir()  # what the killed one leaves

    def make(folder):
        with whole_folder(folder) as beside:
            (beside / "file.txt").write_text("whole")

    make_once(tmp_path / "data", make)
    makes = f"waiting for another process, which makes {tmp_path / 'data'}"
    assert said == [(makes, str(tmp_path / "data.lock"))]
    assert (tmp_path / "data" / "file.txt").read_text() == "whole"
    assert not (tmp_path / ".data-half").exists()
