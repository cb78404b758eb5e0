"""A comparison of speed: ours and its alternatives, timed in turn."""

import resource
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Peer:
    """An alternative: ``run`` does the same work once.

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


def measure(case: Case) -> pd.DataFrame:
    """Time ours and the peers in turn, so that what else the machine does meets all of them.

    Returns:
        A row per peer: ``case``, ``peer``, ``items``; the median seconds of a call (``ours_s``, ``peer_s``); how many
        times ours is faster, as the median (``ratio``), ``lowest`` and ``highest`` of the rounds; and the ``goal``.
    """
    runs = [case.ours, *(peer.run for peer in case.peers.values())]
    if case.warm_up:
        for run in runs:
            run()
    rounds = [list(map(_seconds, runs)) for _ in range(case.rounds)]
    seconds = pd.DataFrame(rounds, columns=["", *case.peers])
    ratios = seconds[[*case.peers]].div(seconds[""], axis=0)
    table = pd.DataFrame({"case": case.name, "peer": list(case.peers), "items": case.items})
    table["ours_s"] = seconds[""].median()
    table["peer_s"] = seconds[[*case.peers]].median().to_numpy()
    for name, of_rounds in {"ratio": "median", "lowest": "min", "highest": "max"}.items():
        table[name] = ratios.agg(of_rounds).to_numpy()
    # The processor's time; older rows of results/bench.csv have other clocks.
    return table.assign(goal=[peer.goal for peer in case.peers.values()], clock="cpu")


def _seconds(run: Callable[[], object]) -> float:
    """Return the processor's time of a call; ended child processes are included."""
    start = _processor_seconds()
    run()
    return _processor_seconds() - start


def _processor_seconds() -> float:
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return float(np.sum([(usage.ru_utime, usage.ru_stime) for usage in usages]))
