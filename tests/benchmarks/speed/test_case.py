"""Ratios of speed: of the processor's time."""

import time

import pandas as pd

from benchmarks.speed import case
from benchmarks.speed.__main__ import _with_earlier
from benchmarks.speed.case import Case, Peer, measure


def numbered(*seconds: float):
    """A run whose first call is not counted."""
    rest = iter([100.0, *seconds])
    return lambda: next(rest)


def test_the_ratio_is_the_median_of_the_rounds(monkeypatch):
    monkeypatch.setattr(case, "_seconds", lambda run: run())
    peers = {"plain": Peer(numbered(2.0, 4.0, 3.0), 2.5)}
    (measured,) = measure(Case("work", numbered(1.0, 1.0, 1.0), peers, items=8, rounds=3)).itertuples()
    assert (measured.case, measured.peer, measured.items, measured.goal) == ("work", "plain", 8, 2.5)
    assert (measured.ratio, measured.lowest, measured.highest) == (3.0, 2.0, 4.0)
    assert measured.ours_s == 1.0


def test_work_of_this_process_is_timed_by_its_processor():
    (measured,) = measure(
        Case("wait", lambda: time.sleep(0.05), {"work": Peer(lambda: sum(range(1_000_000)))}, rounds=3)
    ).itertuples()
    assert measured.ours_s < 0.05  # a process that waits takes no time of the processor
    assert measured.peer_s > 0


def test_rows_of_other_topics_stay_in_the_file(tmp_path):
    file = tmp_path / "bench.csv"
    pd.DataFrame({"topic": ["a", "b"], "ratio": [1.0, 2.0]}).to_csv(file, index=False)
    table = _with_earlier(pd.DataFrame({"topic": ["b"], "ratio": [3.0]}), file)
    assert dict(zip(table["topic"], table["ratio"], strict=True)) == {"a": 1.0, "b": 3.0}
