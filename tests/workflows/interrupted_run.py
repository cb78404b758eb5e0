"""Runs that get a signal at a given place of their training.

As a process of its own: ``python -m tests.workflows.interrupted_run SIGNAL HOOK STAGE EPOCH BATCH OVERRIDE...``.
"""

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

import train
from common.config.schema import Config
from common.paths import ROOT
from common.preemption import Preempted, watched
from common.sweeps.jobs import command_line
from lightning_modules.callbacks.resumable import StepSeed
from workflows import train as training


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


def run_unevaluated(config: Config) -> Path:
    """Train and predict; the evaluation takes most of the time of a small run, and comes from the predictions alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "report", lambda *_: None)
        return training.run(config)


def preempted(config: Config, place: Place) -> Preempted:
    """Run until SIGTERM comes, and return how the run has left."""
    with pytest.raises(Preempted) as caught, watched(), signalled(place):
        run_unevaluated(config)
    return caught.value


def run_process(signum: str, place: Place, overrides: list[str], **environment: str) -> int:
    """Train in a process of its own until the signal comes; return its exit code."""
    words = [sys.executable, "-m", "tests.workflows.interrupted_run", signum, *map(str, place), *overrides]
    return subprocess.run(words, cwd=ROOT, env={**os.environ, **environment}, capture_output=True).returncode


if __name__ == "__main__":
    name, hook, *numbers = sys.argv[1:6]
    sys.argv = ["train.py", *sys.argv[6:]]
    with signalled(Place(hook, *map(int, numbers)), signal.Signals[name]), command_line():
        train.main()
