"""The overhead benchmark measures both loops, in turn, on the same model."""

import torch

from scripts.benchmarks.overhead import Case, measure


def test_overhead_gives_positive_times_of_both_loops():
    threads = torch.get_num_threads()
    row = measure(Case("tiny", "resnet18", "layer1", size=32, batch=4), steps=20)
    torch.set_num_threads(threads)
    assert row["steps"] == 18  # the first tenth is not counted
    assert 0 < row["bare_fetch_ms"] < row["bare_ms"]
    assert 0 < row["ours_fetch_ms"] < row["ours_ms"]
    assert row["ratio"] == row["bare_ms"] / row["ours_ms"]
