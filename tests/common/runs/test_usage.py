"""The account of what a run has cost."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.config.schema import TrainerConfig
from common.runs import usage

CPU = TrainerConfig(accelerator="cpu")


@st.composite
def sessions(draw):
    """Sessions on up to three devices, whose memory is not always measured."""
    drawn = []
    for _ in range(draw(st.integers(1, 6))):
        seconds, device = draw(st.floats(0, 1e5)), draw(st.sampled_from(["cpu", "H100", "A100"]))
        peaks = {name: draw(st.none() | st.integers(1, 2**40)) for name in usage.PEAKS}
        sums = {"wall_seconds": seconds, "cpu_seconds": draw(st.floats(0, 1e6)), "device_seconds": seconds}
        drawn.append({**sums, **peaks, "stretches": 1, "by_device": {device: seconds}, "device": device})
    return drawn


@given(sessions())
def test_sessions_add_up_and_peaks_are_the_largest(parts):
    total = {}
    for part in parts:
        total = usage.added(total, part)
    for name in usage.SUMS:
        assert total[name] == pytest.approx(sum(part[name] for part in parts))
    for name in usage.PEAKS:
        assert total[name] == max((part[name] for part in parts if part[name] is not None), default=None)
    assert sum(total["by_device"].values()) == pytest.approx(total["device_seconds"])
    assert set(total["by_device"]) == {part["device"] for part in parts}
    assert total["device"] == parts[-1]["device"]


def test_what_a_block_costs_is_about_what_it_takes(tmp_path):
    with usage.measured(tmp_path, CPU):
        end = time.process_time() + 0.1
        buffer = bytearray(60 * 2**20)
        while time.process_time() < end:
            buffer[-1] += time.process_time() > 1e9
    account = usage.read_usage(tmp_path)
    assert account["cpu_seconds"] >= 0.09
    assert 0.09 <= account["wall_seconds"] == account["device_seconds"]
    assert 60 * 2**20 < account["peak_memory_bytes"] < 2**36
    assert account["peak_device_memory_bytes"] is None
    assert (account["device"], account["processes"], account["stretches"]) == ("cpu", 1, 1)


def test_an_earlier_run_of_the_same_process_does_not_count_for_the_memory(tmp_path):
    with usage.measured(tmp_path / "large", CPU):
        bytearray(200 * 2**20)  # touched, since it is cleared, and given back at once
    with usage.measured(tmp_path / "small", CPU):
        pass
    large, small = (usage.read_usage(tmp_path / name)["peak_memory_bytes"] for name in ("large", "small"))
    assert large - small > 100 * 2**20


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit, ValueError])
def test_a_session_that_ends_badly_counts_too(tmp_path, end):
    for _ in range(2):
        with pytest.raises(end), usage.measured(tmp_path, CPU):
            raise end
    assert usage.read_usage(tmp_path)["stretches"] == 2


def test_a_process_that_is_killed_leaves_the_last_account(tmp_path, monkeypatch):
    file = tmp_path / "usage.json"
    with usage.measured(tmp_path, CPU):
        usage.write_usage(tmp_path)
        assert not file.exists()  # not more than once a minute
        monkeypatch.setattr(usage, "INTERVAL", 0.0)
        for _ in range(2):
            usage.write_usage(tmp_path)
            assert json.loads(file.read_text())["stretches"] == 1
    before = file.read_text()
    usage.write_usage(tmp_path)  # of no run that goes on here
    assert file.read_text() == before


def test_a_full_disk_does_not_hide_how_the_block_ended(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(usage, "write_json", full)
    with pytest.raises(ValueError, match="the error"), usage.measured(tmp_path, CPU):
        raise ValueError("the error")


@pytest.fixture
def set_rank(monkeypatch):
    """A function that makes this the process of a rank, of two on one node."""

    def set_rank(rank):
        for name, value in {"WORLD_SIZE": "2", "RANK": rank, "LOCAL_RANK": rank, "GROUP_RANK": "0"}.items():
            monkeypatch.setenv(name, value)

    return set_rank


def test_processes_that_train_together_are_put_together(tmp_path, set_rank):
    for rank, name, cpu, memory in (("0", "usage.json", 2.0, 10), ("1", "usage-1.json", 3.0, 20)):
        set_rank(rank)
        with usage.measured(tmp_path, TrainerConfig(accelerator="cpu", devices=2, strategy="ddp")):
            pass
        written = json.loads((tmp_path / name).read_text())
        written |= {"wall_seconds": 4.0, "device_seconds": 8.0, "cpu_seconds": cpu, "peak_memory_bytes": memory}
        (tmp_path / name).write_text(json.dumps(written))
    expected = {"wall_seconds": 4.0, "device_seconds": 8.0, "cpu_seconds": 5.0, "peak_memory_bytes": 20}
    assert usage.read_usage(tmp_path).items() >= (expected | {"processes": 2, "stretches": 1}).items()


def test_a_gpu_is_named_and_its_memory_is_that_of_this_process(tmp_path, monkeypatch, set_rank):
    import torch

    reset = []
    fakes = {"is_available": lambda: True, "is_initialized": lambda: True, "device_count": lambda: 2}
    fakes |= {"get_device_name": lambda number: f"GPU {number}", "max_memory_reserved": lambda number: 7 + number}
    for name, fake in {**fakes, "reset_peak_memory_stats": reset.append}.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    set_rank("1")
    with usage.measured(tmp_path, TrainerConfig(devices=2, strategy="ddp")):
        pass
    account = json.loads((tmp_path / "usage-1.json").read_text())
    assert (account["device"], account["peak_device_memory_bytes"], reset) == ("GPU 1", 8, [1])
    assert account["device_seconds"] == pytest.approx(2 * account["wall_seconds"])
    assert usage.device_of("cpu") == ("cpu", None)
    assert usage.device_of("auto", local_rank=3) == ("GPU 0", 0)


def test_what_was_not_measured_is_unknown(tmp_path):
    assert usage.read_usage(tmp_path) is None
    (tmp_path / "usage.json").write_text('{"wall_sec')
    assert usage.read_usage(tmp_path) is None
