"""The account of what a run has cost."""

import json
import time
from unittest.mock import Mock

import pytest

from karyocyte.common.system import cpu_seconds
from karyocyte.config.schema import TrainerConfig
from karyocyte.runs import usage
from karyocyte.runs.run import Run

CPU = TrainerConfig(accelerator="cpu")


def test_sessions_add_up(tmp_path):
    before = {"wall_seconds": 10.0, "cpu_seconds": 20.0, "by_device": {"H100": 10.0}}
    (tmp_path / "usage.json").write_text(json.dumps(before))
    with usage.measured_usage(tmp_path, CPU):
        end = cpu_seconds() + 0.05  # the clock of the account: others are up to a tick ahead of it
        while cpu_seconds() < end:
            pass
    account = Run(tmp_path).usage
    assert account["cpu_seconds"] >= 20.04
    assert account["wall_seconds"] >= 10.04
    assert account["by_device"] == {"H100": 10.0, "cpu": pytest.approx(account["wall_seconds"] - 10)}


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit, ValueError])
def test_a_session_that_ends_badly_counts_too(tmp_path, end):
    with pytest.raises(end), usage.measured_usage(tmp_path, CPU):
        raise end
    assert Run(tmp_path).usage["cpu_seconds"] >= 0


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
        time.sleep(0.01)
    account = Run(tmp_path).usage
    assert (account is not None) == writes
    if account:
        assert account["by_device"]["H100"] == pytest.approx(2 * account["wall_seconds"])
