"""A Slurm for these tests: the dev cluster that is up, or one of their own."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.slurm import Cluster, script, why_not


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster that is up; where there can be none, the tests that ask for it are left out."""
    if script("status").returncode == 0:
        yield Cluster.of()
        return
    if reason := why_not():
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="slurm") as name:  # a short path: the daemons make sockets below it
        done = script("start", folder=Path(name))
        assert done.returncode == 0, done.stderr
        yield Cluster.of(Path(name))
        script("stop", folder=Path(name))
