"""The GPUs of this machine, and which of them are free for the jobs of a local sweep."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.cli import warn
from common.errors import UserError

VARIABLE = "CUDA_VISIBLE_DEVICES"
# By which nvidia-smi counts; CUDA itself puts the fastest GPU first.
COUNTING = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
NO_DEVICE = ("-1", "NoDevFiles")  # what schedulers write for none; CUDA ignores what follows
PATIENCE = 60  # seconds to wait for nvidia-smi, which may have to load the driver
MIG = "MIG-"  # how the name of an instance of a divided GPU begins
_LINE = re.compile(r"^\s*(GPU|MIG)\b.*\(UUID: ([^)\s]+)\)\s*$")


@dataclass(frozen=True)
class Gpu:
    """A GPU as nvidia-smi lists it, with the names of its instances where it is divided (MIG)."""

    uuid: str
    instances: tuple[str, ...] = ()


class DevicePool:
    """GPUs by the names that CUDA_VISIBLE_DEVICES takes, each for so many jobs at a time."""

    def __init__(self, gpus: Sequence[str], jobs_per_gpu: int = 1) -> None:
        self.gpus = tuple(gpus)
        self.jobs_per_gpu = jobs_per_gpu
        self._jobs = dict.fromkeys(self.gpus, 0)

    @property
    def size(self) -> int:
        """The number of jobs of one GPU that run at once."""
        return len(self.gpus) * self.jobs_per_gpu

    def usable(self, count: int) -> list[str]:
        """Return the GPUs that a job of so many may use: of several, none may be an instance of a divided GPU.

        A process sees one such instance only, whatever the variable names.
        """
        return [gpu for gpu in self.gpus if count == 1 or not gpu.startswith(MIG)]

    def take(self, count: int) -> tuple[str, ...] | None:
        """Return so many different GPUs for a job, those with the fewest jobs; None where too few are free."""
        free = [gpu for gpu in self.usable(count) if self._jobs[gpu] < self.jobs_per_gpu]
        if len(free) < count:
            return None
        # As a set: a job finds its GPUs in the order in which they are named.
        chosen = set(sorted(free, key=self._jobs.__getitem__)[:count])
        taken = tuple(gpu for gpu in self.gpus if gpu in chosen)
        for gpu in taken:
            self._jobs[gpu] += 1
        return taken

    def give_back(self, gpus: Sequence[str]) -> None:
        """Free the GPUs of a job that has ended."""
        for gpu in gpus:
            self._jobs[gpu] -= 1


def find_gpus(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the GPUs that this process may use, by the names that CUDA_VISIBLE_DEVICES takes.

    Where the variable is set, they are those that it names: numbers, UUIDs or instances. Else they are all of the
    machine, by their numbers; where one is divided (MIG), by the UUIDs of GPUs and of instances.

    Raises:
        UserError: The variable has a number that no GPU has.
    """
    listed = _list_gpus()
    named = environment.get(VARIABLE)
    if named is not None and listed:
        return _named_gpus(named, len(listed))
    if not any(gpu.instances for gpu in listed):
        return tuple(str(number) for number in range(len(listed)))
    return tuple(name for gpu in listed for name in gpu.instances or (gpu.uuid,))


def _named_gpus(named: str, count: int) -> tuple[str, ...]:
    """The names in a value of CUDA_VISIBLE_DEVICES, each once, as far as CUDA reads it."""
    names: list[str] = []
    for name in map(str.strip, named.split(",")):
        if not name or name in NO_DEVICE:
            break
        if name.isdecimal() and int(name) >= count:
            raise UserError(f"{VARIABLE}={named}: there is no GPU {name}, nvidia-smi lists 0 to {count - 1}")
        if name not in names:
            names.append(name)
    return tuple(names)


def _list_gpus() -> list[Gpu]:
    """All GPUs of the machine, in the order of nvidia-smi; [] where there is none."""
    program = shutil.which("nvidia-smi")
    if program is None:  # some containers have the driver without its tools
        return [Gpu(path.name) for path in sorted(Path("/dev").glob("nvidia[0-9]*"))]
    try:
        done = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        warn(f"nvidia-smi -L: {error}: the jobs are started as on a machine without a GPU")
        return []
    if done.returncode:
        reason = " ".join((done.stdout + done.stderr).split())
        warn(f"nvidia-smi -L: {reason or done.returncode}: the jobs are started as on a machine without a GPU")
        return []
    gpus: list[Gpu] = []
    for match in filter(None, map(_LINE.match, done.stdout.splitlines())):
        kind, uuid = match.groups()
        if kind == "GPU":
            gpus.append(Gpu(uuid))
        elif gpus:
            gpus[-1] = Gpu(gpus[-1].uuid, (*gpus[-1].instances, uuid))
    return gpus
