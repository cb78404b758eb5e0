"""Runs that get a signal at a given place of their training."""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from karyocyte.commands import train
from karyocyte.common.preemption import Preempted, watched
from karyocyte.config.schema import Config
from karyocyte.workflows.sweeps.jobs import command_line
from lightning_modules.callbacks.resume import StepSeed
from tests import processes
from tests.helpers.training import run_unevaluated


class Place(NamedTuple):
    """Where the signal comes: in a hook of a callback, at a batch where the hook has one, all counted from 0."""

    hook: str
    stage: int
    epoch: int
    batch: int | None = None


@contextmanager
def signalled(place: Place, signum: int = signal.SIGTERM) -> Iterator[None]:
    """Send the signal to this process and its children, as Slurm does, when a training comes to the place."""

    def send(self, trainer, pl_module, *rest):
        here = Place(place.hook, self.stage, trainer.current_epoch, None if place.batch is None else rest[-1])
        if here == place:
            family = [os.getpid(), *(child.pid for child in multiprocessing.active_children())]
            # From another process: the workers of a loader know a signal of their parent's from that of a stranger.
            subprocess.run(["kill", f"-{int(signum)}", *map(str, family)], check=True)
        plain(self, trainer, pl_module, *rest)

    plain = getattr(StepSeed, place.hook)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StepSeed, place.hook, send)
        yield


def preempted(config: Config, place: Place) -> Preempted:
    """Run until SIGTERM comes, and return how the run has left."""
    with pytest.raises(Preempted) as caught, watched(), signalled(place):
        run_unevaluated(config)
    return caught.value


def run_process(signum: signal.Signals, place: Place, overrides: list[str], output: Path, **environment: str) -> int:
    """Train in a process of its own until the signal comes, its output in a file; return its exit code."""
    return processes.exit_code(processes.start(output, environment, _train, signum, place, overrides))


def _train(signum: signal.Signals, place: Place, overrides: list[str]) -> None:
    sys.argv = ["train.py", *overrides]
    with signalled(place, signum), command_line():
        train.main()
