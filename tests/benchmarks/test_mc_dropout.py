"""The benchmarks measure all ways, in turn, on the same model."""

import pytest
import torch

from benchmarks import mc_dropout
from benchmarks.shared import time_in_turn
from lightning_modules.mc_dropout import naive_passes

TINY = mc_dropout.Case("tiny", "resnet18", size=32)


def test_the_passes_of_mc_dropout_are_timed_all_ways():
    settings = mc_dropout.Settings(passes=6, batch=2, rounds=4, slow_rounds=2, slow_passes=3)
    row = mc_dropout.measure(TINY, settings)
    assert all(row[f"{way}_ms"] > 0 for way in ("plain", "ours", "features", "repeat", "naive"))
    assert row["ratio"] == row["ours_ms"] / row["plain_ms"]
    assert row["over_naive"] == row["naive_ms"] / row["ours_ms"]
    assert (row["rates"], row["slow_passes"]) == ("0.5 0.5", 3)


def test_slow_ways_are_timed_in_some_rounds_spread_evenly():
    called = []
    ways = {name: lambda number, name=name: called.append((name, number)) for name in ("quick", "slow")}
    times = time_in_turn(ways, ("slow",), rounds=4, slow_rounds=2)
    warm_up, *rounds = called
    assert warm_up == ("quick", 0)
    assert rounds == [("quick", 0), ("slow", 0), ("quick", 1), ("quick", 2), ("slow", 2), ("quick", 3)]
    assert all(seconds.shape == (2,) and (seconds >= 0).all() for seconds in times.values())


@pytest.mark.parametrize("way", [mc_dropout.repeated_batch, mc_dropout.repeated_features])
def test_the_other_ways_are_monte_carlo_dropout_too(way, monkeypatch):
    monkeypatch.setattr(mc_dropout, "REPEATED_IMAGES", 6)
    image = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        model = mc_dropout.build(TINY, (0.5, 0.5))
        found = way(model, image, 7)
        assert found.shape == (7, 2, 1)
        assert found.std(dim=0).min() > 0
        without = mc_dropout.build(TINY, (0.0, 0.0))
        torch.testing.assert_close(way(without, image, 7), naive_passes(without, image, 7))
    assert not any(module.training for module in model.modules())
