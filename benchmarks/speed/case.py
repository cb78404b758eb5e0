"""A comparison of speed: ours and an alternative, timed in turn."""

import resource
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Case:
    """A piece of work: ours does it once, likewise its peer, on so many ``items`` (images) each time.

    Each is timed in so many ``rounds``, in turn, after it was called once (``warm_up``). ``goal`` is by how many times
    ours is wanted to be faster; ``packages`` are those of the peer whose versions the table names.
    """

    name: str
    ours: Callable[[], object]
    peer: str
    peer_run: Callable[[], object]
    goal: float
    packages: tuple[str, ...]
    items: int = 1
    rounds: int = 3
    warm_up: bool = True


def measure(case: Case) -> dict[str, object]:
    """Time ours and the peer in turn, so that what else the machine does meets both.

    Returns:
        A row: ``case``, ``peer``, ``items``; the median seconds of a call (``ours_s``, ``peer_s``); how many times ours
        is faster, as the median (``ratio``), ``lowest`` and ``highest`` of the rounds; and the ``goal``.
    """
    if case.warm_up:
        case.ours()
        case.peer_run()
    rounds = [(_seconds(case.ours), _seconds(case.peer_run)) for _ in range(case.rounds)]
    seconds = pd.DataFrame(rounds, columns=["ours_s", "peer_s"])
    ratio = seconds["peer_s"] / seconds["ours_s"]
    row: dict[str, object] = {"case": case.name, "peer": case.peer, "items": case.items, **seconds.median()}
    row |= {"ratio": ratio.median(), "lowest": ratio.min(), "highest": ratio.max()}
    # The processor's time; older rows of results/bench.csv have other clocks.
    return row | {"goal": case.goal, "clock": "cpu"}


def _seconds(run: Callable[[], object]) -> float:
    """Return the processor's time of a call; ended child processes are included."""
    start = _processor_seconds()
    run()
    return _processor_seconds() - start


def _processor_seconds() -> float:
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return float(np.sum([(usage.ru_utime, usage.ru_stime) for usage in usages]))
