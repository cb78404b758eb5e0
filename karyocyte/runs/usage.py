"""The usage of a run: time, processor and device, summed over the sessions of an interrupted run."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from karyocyte.common.files import read_whole_json, write_json
from karyocyte.common.system import cpu_seconds
from karyocyte.config.distributed import world_of
from karyocyte.config.schema import TrainerConfig
from karyocyte.runs.files import RunFile

CPU = "cpu"


@contextmanager
def measured_usage(run: Path, trainer: TrainerConfig) -> Iterator[None]:
    """Measure what the block takes, however it ends; of several processes of a run, the first one measures.

    Its wall time counts for the devices of all processes; processor time is its own. The file has the sums of all
    sessions.
    """
    if not world_of(trainer).is_first:
        yield
        return
    started, started_cpu = time.monotonic(), cpu_seconds()
    try:
        yield
    finally:
        before = read_whole_json(run / RunFile.USAGE)
        wall = time.monotonic() - started
        device = device_of(trainer.accelerator)
        by_device: dict[str, float] = before.get("by_device", {})
        account = {
            "wall_seconds": before.get("wall_seconds", 0.0) + wall,
            "cpu_seconds": before.get("cpu_seconds", 0.0) + cpu_seconds() - started_cpu,
            "by_device": by_device | {device: by_device.get(device, 0.0) + wall * trainer.processes},
        }
        with suppress(OSError):  # a full disk must not hide how the block ended
            write_json(run / RunFile.USAGE, account)


def device_of(accelerator: str) -> str:
    """Return the name of the device that a Trainer computes on, "cpu" without one."""
    import torch

    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return torch.cuda.get_device_name(0)
    if accelerator in ("auto", "gpu", "mps") and torch.backends.mps.is_available():
        return "mps"
    return CPU
