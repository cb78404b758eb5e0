"""A comparison of speed: ours and its alternatives, timed in turn."""

import resource
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Seconds(NamedTuple):
    """How long a call took: of the processor, and by the clock."""

    cpu: float
    clock: float


@dataclass(frozen=True)
class Peer:
    """An alternative.

    Attributes:
        run: Does the same work as ours once; returns `Seconds` where another process does it.
        goal: By how many times ours is wanted to be faster; None without a goal.
        packages: Those whose versions the table names.
    """

    run: Callable[[], object]
    goal: float | None = None
    packages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """A piece of work.

    Attributes:
        name: Of the work, for a table.
        ours: Does it once, likewise.
        peers: The alternatives, by their name.
        items: How many images (or other things) are worked on each time.
        rounds: How often each is timed, in turn.
        warm_up: Whether each is called once before it is timed.
        by_clock: Whether the ratios are of the time by the clock instead of the processor's: of processes that wait
            for each other.
    """

    name: str
    ours: Callable[[], object]
    peers: Mapping[str, Peer]
    items: int = 1
    rounds: int = 7
    warm_up: bool = True
    by_clock: bool = False


@dataclass(frozen=True)
class Measured:
    """Ours beside one peer.

    Attributes:
        case: The name of the case.
        peer: The name of the peer.
        items: Of each call.
        clock: "cpu" or "wall", of the following.
        ours_s: Median seconds of a call.
        peer_s: Likewise.
        ratio: How many times ours is faster: median of the rounds.
        lowest: Of the rounds.
        highest: Of the rounds.
        goal: The wanted ratio.
    """

    case: str
    peer: str
    items: int
    clock: str
    ours_s: float
    peer_s: float
    ratio: float
    lowest: float
    highest: float
    goal: float | None


def measure(case: Case) -> Iterator[Measured]:
    """Time ours and the peers in turn, so that what else the machine does meets all of them."""
    runs = {"": case.ours, **{name: peer.run for name, peer in case.peers.items()}}
    for run in runs.values() if case.warm_up else ():
        run()
    timed: dict[str, list[Seconds]] = {name: [] for name in runs}
    for _ in range(case.rounds):
        for name, run in runs.items():
            timed[name].append(_seconds(run))
    seconds = {}
    for name, each in timed.items():
        seconds[name] = np.array([call.clock if case.by_clock else call.cpu for call in each])
    for name, peer in case.peers.items():
        ratios = seconds[name] / seconds[""]
        yield Measured(
            case=case.name,
            peer=name,
            items=case.items,
            clock="wall" if case.by_clock else "cpu",
            ours_s=float(np.median(seconds[""])),
            peer_s=float(np.median(seconds[name])),
            ratio=float(np.median(ratios)),
            lowest=float(ratios.min()),
            highest=float(ratios.max()),
            goal=peer.goal,
        )


def _seconds(run: Callable[[], object]) -> Seconds:
    """Time a call; ended child processes are included."""
    clock = time.perf_counter()
    cpu = _processor_seconds()
    result = run()
    if isinstance(result, Seconds):
        return result
    return Seconds(_processor_seconds() - cpu, time.perf_counter() - clock)


def _processor_seconds() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
