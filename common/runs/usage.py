"""The usage of a run: time, processor, device and memory, summed over its sessions.

A run that is interrupted and continued has several sessions ("stretches" in the file). The file is written now and then
during a session, so that a killed process loses a minute of its account at most.
"""

import resource
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.files import read_whole_json, write_json
from common.runs.distributed import World, world_of
from common.runs.files import RunFile
from common.runs.memory import peak_memory, return_freed_memory

if TYPE_CHECKING:
    from common.config.schema import TrainerConfig

INTERVAL = 60.0  # seconds between two writes within a session
SUMS = ("wall_seconds", "cpu_seconds", "device_seconds", "stretches")
PEAKS = ("peak_memory_bytes", "peak_device_memory_bytes")
CPU = "cpu"

_meters: dict[Path, "Meter"] = {}


class Meter:
    """The account of one session of a run, in one of its processes.

    Every process has a file of its own, so that none waits for another at the end: ``usage.json`` of rank 0,
    ``usage-<rank>.json`` of the others; ``read_usage`` combines them.
    """

    def __init__(self, run: Path, accelerator: str, world: World) -> None:
        self.path = run / (f"usage-{world.rank}.json" if world.rank else RunFile.USAGE)
        self.before = read_whole_json(self.path)
        self.device, self.gpu = device_of(accelerator, world.local_rank)
        self.processes = world.size
        self._started = time.monotonic()
        self._started_cpu = _cpu_seconds()
        self._written = self._started
        return_freed_memory()
        _reset_peaks(self.gpu)

    def session(self) -> dict[str, Any]:
        """Return the account of this session alone."""
        wall = time.monotonic() - self._started
        device_seconds = wall * self.processes
        return {
            "wall_seconds": wall,
            "cpu_seconds": _cpu_seconds() - self._started_cpu,
            "device_seconds": device_seconds,
            "by_device": {self.device: device_seconds},
            "device": self.device,
            "processes": self.processes,
            "peak_memory_bytes": peak_memory(),
            "peak_device_memory_bytes": _peak_device_memory(self.gpu),
            "stretches": 1,
        }

    def write(self, interval: float = 0.0) -> None:
        """Write the account so far, where the last write is at least ``interval`` seconds ago."""
        if time.monotonic() - self._written >= interval:
            self._written = time.monotonic()
            write_json(self.path, added(self.before, self.session()))


@contextmanager
def measured(run: Path, trainer: "TrainerConfig") -> Iterator[None]:
    """Measure what the block takes, however it ends; ``trainer`` names the device and the number of processes."""
    meter = Meter(run, trainer.accelerator, world_of(trainer))
    _meters[run] = meter
    try:
        yield
    finally:
        del _meters[run]
        with suppress(OSError):  # a full disk must not hide how the block ended
            meter.write()


def write_usage(run: Path) -> None:
    """Write the account of a run that this process is training, once a minute at most."""
    if run in _meters:
        _meters[run].write(INTERVAL)


def read_usage(run: Path) -> dict[str, Any] | None:
    """Return the usage of all processes of a run; None where it was not measured.

    Wall and device seconds are those of rank 0, which starts first and ends last; processor seconds are summed over
    the processes, and memory is that of the largest process.
    """
    total = read_whole_json(Path(run) / RunFile.USAGE)
    if not total:
        return None
    for path in sorted(Path(run).glob("usage-*.json")):
        process = read_whole_json(path)
        total["cpu_seconds"] += process.get("cpu_seconds", 0.0)
        for name in PEAKS:
            total[name] = _larger(total.get(name), process.get(name))
    return total


def added(before: dict[str, Any], session: dict[str, Any]) -> dict[str, Any]:
    """Return the account of all sessions: sums, and the largest of the peaks; ``before`` may be {}."""
    total = dict(session)
    for name in SUMS:
        total[name] += before.get(name, 0)
    for name in PEAKS:
        total[name] = _larger(before.get(name), session[name])
    by_device = Counter(before.get("by_device", {}))
    by_device.update(session["by_device"])
    return {**total, "by_device": dict(by_device)}


def device_of(accelerator: str, local_rank: int = 0) -> tuple[str, int | None]:
    """Return the name of the device that a Trainer computes on ("cpu" without one), and its index where it is a GPU."""
    import torch

    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        index = local_rank
        if index >= torch.cuda.device_count():  # Slurm may show each task only its own
            index = 0
        return torch.cuda.get_device_name(index), index
    if accelerator in ("auto", "gpu", "mps") and torch.backends.mps.is_available():
        return "mps", None
    return CPU, None


def _larger(first: int | None, second: int | None) -> int | None:
    return max((value for value in (first, second) if value is not None), default=None)


def _cpu_seconds() -> float:
    """Processor time of this process and of the children that it has waited for, such as the loader's."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _peak_device_memory(gpu: int | None) -> int | None:
    """The peak of the memory that torch reserved on a GPU in bytes; None without one."""
    if gpu is None:
        return None
    import torch

    return torch.cuda.max_memory_reserved(gpu)


def _reset_peaks(gpu: int | None) -> None:
    """Reset the peaks: an earlier job of the same process is not part of this run."""
    with suppress(OSError):  # not every system allows it
        Path("/proc/self/clear_refs").write_text("5")
    if gpu is not None:
        import torch

        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # untyped in torch
            torch.cuda.reset_peak_memory_stats(gpu)
