"""A comparison of speed: ours and its alternatives, timed in turn."""

import resource
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Peer:
    """An alternative: it does the same work once (``run``), or returns the processor's seconds of another process.

    ``goal`` is by how many times ours is wanted to be faster; ``packages`` are those whose versions the table names.
    """

    run: Callable[[], object]
    goal: float | None = None
    packages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """A piece of work: ours does it once, likewise its peers by name, on so many ``items`` (images) each time.

    Each is timed in so many ``rounds``, in turn, after it was called once (``warm_up``).
    """

    name: str
    ours: Callable[[], object]
    peers: Mapping[str, Peer]
    items: int = 1
    rounds: int = 7
    warm_up: bool = True


@dataclass(frozen=True)
class Measured:
    """Ours beside one peer: median seconds of a call, and how many times ours is faster, over the rounds."""

    case: str
    peer: str
    items: int
    ours_s: float
    peer_s: float
    ratio: float
    lowest: float
    highest: float
    goal: float | None
    clock: str = field(default="cpu", init=False)  # the processor's time; older rows of results/bench.csv have others


def measure(case: Case) -> Iterator[Measured]:
    """Time ours and the peers in turn, so that what else the machine does meets all of them."""
    runs = [case.ours, *(peer.run for peer in case.peers.values())]
    if case.warm_up:
        for run in runs:
            run()
    rounds = [list(map(_seconds, runs)) for _ in range(case.rounds)]
    seconds = pd.DataFrame(rounds, columns=["", *case.peers])
    for name, peer in case.peers.items():
        ratios = seconds[name] / seconds[""]
        medians = (seconds[""].median(), seconds[name].median(), ratios.median())
        yield Measured(case.name, name, case.items, *medians, ratios.min(), ratios.max(), peer.goal)


def _seconds(run: Callable[[], object]) -> float:
    """Return the processor's time of a call; ended child processes are included."""
    start = _processor_seconds()
    result = run()
    return result if isinstance(result, float) else _processor_seconds() - start


def _processor_seconds() -> float:
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return float(np.sum([(usage.ru_utime, usage.ru_stime) for usage in usages]))
