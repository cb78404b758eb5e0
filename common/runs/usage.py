"""What a run has cost: time, processor, device and memory, summed over its stretches.

A run that is interrupted and continued has several stretches. The file is written anew now and then while a stretch
lasts, so that a process that is killed loses a minute of its account at most.
"""

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from common.config.schema import TrainerConfig
from common.files import read_whole_json, write_json
from common.runs.distributed import World, world_of
from common.runs.files import RunFile

EVERY = 60.0  # seconds between two writings within a stretch
SUMS = ("wall_seconds", "cpu_seconds", "device_seconds", "stretches")
PEAKS = ("peak_memory_bytes", "peak_device_memory_bytes")
CPU = "cpu"

_open: dict[Path, "Meter"] = {}


class Meter:
    """The account of one stretch of a run, in one process of it.

    Every process of a run has a file of its own, so that none waits for another at the end: the first one's is
    usage.json, the others' are usage-<rank>.json; :func:`read_usage` puts them together.

    Args:
        run: The run's folder.
        accelerator: As the Trainer takes it; the device that it finds is named.
        world: How many processes train together, a device each, and which of them this is.
    """

    def __init__(self, run: Path, accelerator: str, world: World) -> None:
        self.path = _path(run, world.rank)
        self.before = read_whole_json(self.path)
        self.device, self.gpu = device_of(accelerator, world.local_rank)
        self.processes = world.size
        self._wall, self._cpu = time.monotonic(), _cpu_seconds()
        self._written = self._wall
        _reset_peaks(self.gpu)

    def stretch(self) -> dict[str, Any]:
        """Return the account of this stretch alone."""
        wall = time.monotonic() - self._wall
        devices = wall * self.processes
        return {
            "wall_seconds": wall,
            "cpu_seconds": _cpu_seconds() - self._cpu,
            "device_seconds": devices,
            "by_device": {self.device: devices},
            "device": self.device,
            "processes": self.processes,
            "peak_memory_bytes": _peak_memory(),
            "peak_device_memory_bytes": _peak_device_memory(self.gpu),
            "stretches": 1,
        }

    def keep(self, every: float = 0.0) -> None:
        """Write the account so far, where the last writing is at least ``every`` seconds ago."""
        if time.monotonic() - self._written >= every:
            self._written = time.monotonic()
            write_json(self.path, added(self.before, self.stretch()))


@contextmanager
def measured(run: Path, trainer: TrainerConfig) -> Iterator[None]:
    """Keep account of what the block costs, however it ends.

    Args:
        run: The run's folder.
        trainer: Says the device, and how many processes there are; which of them this is, its environment says.
    """
    meter = _open[run] = Meter(run, trainer.accelerator, world_of(trainer))
    try:
        yield
    finally:
        del _open[run]
        with suppress(OSError):  # a full disk must not hide how the block ended
            meter.keep()


def keep(run: Path) -> None:
    """Write the account of a run that is going on in this process, once a minute at most."""
    if run in _open:
        _open[run].keep(EVERY)


def read_usage(run: Path) -> dict[str, Any] | None:
    """Return what a run has cost in all of its processes; None where it was not measured.

    Wall and device seconds are those of its first process, which starts first and ends last; the processor seconds of
    all processes are added up, and memory is that of the largest process.
    """
    run = Path(run)
    first = read_whole_json(_path(run, 0))
    if not first:
        return None
    others = [found for path in sorted(run.glob("usage-*.json")) if (found := read_whole_json(path))]
    total = {**first, "cpu_seconds": first["cpu_seconds"] + sum(one["cpu_seconds"] for one in others)}
    return total | {name: _largest([one.get(name) for one in (first, *others)]) for name in PEAKS}


def added(before: dict[str, Any], stretch: dict[str, Any]) -> dict[str, Any]:
    """Return the account of all stretches: what adds up added, the largest of what peaks; ``before`` may be {}."""
    devices = dict(before.get("by_device", {}))
    for device, seconds in stretch["by_device"].items():
        devices[device] = devices.get(device, 0.0) + seconds
    sums = {name: before.get(name, 0) + stretch[name] for name in SUMS}
    peaks = {name: _largest([before.get(name), stretch[name]]) for name in PEAKS}
    return {**stretch, **sums, **peaks, "by_device": devices}


def device_of(accelerator: str, local_rank: int = 0) -> tuple[str, int | None]:
    """Return the name of the device that a Trainer computes on ("cpu" without one), and its number where it is a GPU.

    Args:
        accelerator: As the Trainer takes it.
        local_rank: Which of the processes of this machine asks.
    """
    import torch

    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        # Slurm may show each task its own alone
        if local_rank < torch.cuda.device_count():
            number = local_rank
        else:
            number = 0
        return torch.cuda.get_device_name(number), number
    mps = accelerator in ("auto", "gpu", "mps") and torch.backends.mps.is_available()
    return ("mps" if mps else CPU), None


def _path(run: Path, rank: int) -> Path:
    usage = Path(run) / RunFile.USAGE
    return usage.with_stem(f"{usage.stem}-{rank}") if rank else usage


def _largest(values: list[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)


def _cpu_seconds() -> float:
    """Processor time of this process and of those that it has waited for, such as the loader's."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _peak_memory() -> int:
    """The most memory that this process has held, in bytes: on Linux since ``_reset_peaks``, else ever."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "darwin":
        unit = 1
    else:
        unit = 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _peak_device_memory(gpu: int | None) -> int | None:
    """The most that torch has held of a GPU at a time, in bytes; None where there is none."""
    if gpu is None:
        return None
    import torch

    return torch.cuda.max_memory_reserved(gpu)


def _reset_peaks(gpu: int | None) -> None:
    """Begin the peaks anew: an earlier job of the same process is not this run's."""
    with suppress(OSError):  # not every system lets one
        Path("/proc/self/clear_refs").write_text("5")
    if gpu is not None:
        import torch

        if torch.cuda.is_initialized():  # else nothing has been held yet
            torch.cuda.reset_peak_memory_stats(gpu)
