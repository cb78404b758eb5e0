"""A comparison of speed: ours and an alternative, timed in turn."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from karyocyte.common.paths import ROOT

ROUNDS = 3  # that each case is timed in


@dataclass(frozen=True)
class Case:
    """A piece of work: ours does it once, likewise its peer, on so many ``items`` (images) each time.

    ``goal`` is by how many times ours is wanted to be faster; ``packages`` are those of the peer whose versions the
    table names.
    """

    name: str
    ours: Callable[[], object]
    peer: str
    peer_run: Callable[[], object]
    goal: float
    packages: tuple[str, ...]
    items: int = 1


def measure(case: Case) -> dict[str, object]:
    """Time ours and the peer in turn, so that what else the machine does meets both.

    Returns:
        A row: ``case``, ``peer``, ``items``; the median seconds of a call (``ours_s``, ``peer_s``); how many times ours
        is faster, as the median (``ratio``), ``lowest`` and ``highest`` of the rounds; and the ``goal``.
    """
    case.ours()  # once before it is timed
    case.peer_run()
    rounds = [(_seconds(case.ours), _seconds(case.peer_run)) for _ in range(ROUNDS)]
    seconds = pd.DataFrame(rounds, columns=["ours_s", "peer_s"])
    ratio = seconds["peer_s"] / seconds["ours_s"]
    row: dict[str, object] = {"case": case.name, "peer": case.peer, "items": case.items, **seconds.median()}
    row |= {"ratio": ratio.median(), "lowest": ratio.min(), "highest": ratio.max()}
    # The processor's time; older rows of results/bench.csv have other clocks.
    return row | {"goal": case.goal, "clock": "cpu"}


def _seconds(run: Callable[[], object]) -> float:
    """Return the processor's time of a call, to hundredths; ended child processes are included."""
    start = sum(os.times()[:4])
    run()
    return sum(os.times()[:4]) - start


class Used(NamedTuple):
    """What a process has used: seconds of the processor, and the peak of its memory in GB."""

    seconds: float
    peak: float


def used_by(*words: str) -> Used:
    """Run a Python program to its end.

    Raises:
        CalledProcessError: It fails.
    """
    process = subprocess.Popen([sys.executable, *words], cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise subprocess.CalledProcessError(status, words)
    return Used(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1e6)
