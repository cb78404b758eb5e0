"""Ratios of speed: of the processor's time or of the clock, of this process or of one that steps when asked."""

import time

import pandas as pd
import pytest

from benchmarks.speed.__main__ import _with_earlier
from benchmarks.speed.case import Case, Peer, Seconds, measure
from benchmarks.speed.stepper import Pace, Stepper


def numbered(*calls: Seconds):
    """A run whose first call is not counted."""
    rest = iter([Seconds(100.0, 100.0), *calls])
    return lambda: next(rest)


@pytest.mark.parametrize(("by_clock", "ratio", "lowest", "highest"), [(False, 3.0, 2.0, 4.0), (True, 6.0, 5.0, 8.0)])
def test_the_ratio_is_the_median_of_the_rounds(by_clock, ratio, lowest, highest):
    ours = numbered(*[Seconds(1.0, 2.0)] * 3)
    peer = numbered(Seconds(2.0, 16.0), Seconds(4.0, 10.0), Seconds(3.0, 12.0))
    (measured,) = measure(Case("work", ours, {"plain": Peer(peer, 2.5)}, items=8, rounds=3, by_clock=by_clock))
    assert (measured.case, measured.peer, measured.items, measured.goal) == ("work", "plain", 8, 2.5)
    assert (measured.ratio, measured.lowest, measured.highest) == (ratio, lowest, highest)
    assert measured.ours_s == (2.0 if by_clock else 1.0)


def test_work_of_this_process_is_timed_by_its_processor():
    (measured,) = measure(
        Case("wait", lambda: time.sleep(0.05), {"work": Peer(lambda: sum(range(1_000_000)))}, rounds=3)
    )
    assert measured.clock == "cpu"
    assert measured.ours_s < 0.05  # a process that waits takes no time of the processor
    assert measured.peer_s > 0


def paced(pace: Pace, steps: int) -> None:
    for _ in range(steps):
        time.sleep(0.2)
        pace.begin()
        time.sleep(0.02)
        pace.end()


def test_a_process_steps_when_asked_and_counts_from_its_beginning():
    stepper = Stepper(paced, 2)
    clocks = [stepper().clock, stepper().clock]
    with pytest.raises(EOFError):
        stepper()
    stepper.close()
    assert all(clock >= 0.02 for clock in clocks)


def test_rows_of_other_topics_stay_in_the_file(tmp_path):
    file = tmp_path / "bench.csv"
    pd.DataFrame({"topic": ["a", "b"], "ratio": [1.0, 2.0]}).to_csv(file, index=False)
    table = _with_earlier(pd.DataFrame({"topic": ["b"], "ratio": [3.0]}), file)
    assert dict(zip(table["topic"], table["ratio"], strict=True)) == {"a": 1.0, "b": 3.0}
