"""The account of what a run has cost."""

import json
from itertools import count
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from karyocyte.config.schema import TrainerConfig
from karyocyte.runs import usage
from karyocyte.runs.run import Run

CPU = TrainerConfig(accelerator="cpu")


@pytest.fixture(autouse=True)
def clocks(monkeypatch):
    """Clocks of which each look takes 1.5 s of wall time, or 0.25 s of a processor, whatever the machine does."""
    monkeypatch.setattr(usage, "time", SimpleNamespace(monotonic=count(100, 1.5).__next__))
    monkeypatch.setattr(usage, "cpu_seconds", count(7, 0.25).__next__)


def test_sessions_add_up(tmp_path):
    before = {"wall_seconds": 10.0, "cpu_seconds": 20.0, "by_device": {"H100": 10.0}}
    (tmp_path / "usage.json").write_text(json.dumps(before))
    with usage.measured_usage(tmp_path, CPU):
        pass
    by_device = {"H100": 10.0, "cpu": 1.5}
    assert Run(tmp_path).usage == {"wall_seconds": 11.5, "cpu_seconds": 20.25, "by_device": by_device}


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit, ValueError])
def test_a_session_that_ends_badly_counts_too(tmp_path, end):
    with pytest.raises(end), usage.measured_usage(tmp_path, CPU):
        raise end
    assert Run(tmp_path).usage["cpu_seconds"] == 0.25


def test_a_full_disk_does_not_hide_how_the_block_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(usage, "write_json", Mock(side_effect=OSError(28, "No space left on device")))
    with pytest.raises(ValueError, match="the error"), usage.measured_usage(tmp_path, CPU):
        raise ValueError("the error")


@pytest.mark.parametrize(("rank", "writes"), [("0", True), ("1", False)])
def test_the_first_process_writes_for_the_devices_of_all(tmp_path, monkeypatch, rank, writes):
    for name, value in {"WORLD_SIZE": "2", "RANK": rank, "LOCAL_RANK": rank, "GROUP_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(usage, "device_of", lambda accelerator: "H100")
    with usage.measured_usage(tmp_path, TrainerConfig(devices=2)):
        pass
    account = Run(tmp_path).usage
    assert account == ({"wall_seconds": 1.5, "cpu_seconds": 0.25, "by_device": {"H100": 3.0}} if writes else None)
