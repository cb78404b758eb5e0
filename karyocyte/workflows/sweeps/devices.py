"""The GPUs of this machine that the jobs of a local sweep may use."""

import os
import shutil
import subprocess
from collections.abc import Mapping

from karyocyte.common.cli import warn
from karyocyte.common.errors import UserError

VARIABLE = "CUDA_VISIBLE_DEVICES"
NO_DEVICE = ("", "-1", "NoDevFiles")  # what schedulers write for none
PATIENCE = 60  # seconds to wait for nvidia-smi, which may have to load the driver


def find_gpus(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the GPUs that this process may use: those that CUDA_VISIBLE_DEVICES names, else all, by their numbers."""
    count = _count_gpus()
    named = environment.get(VARIABLE)
    if named is None or not count:
        return tuple(map(str, range(count)))
    names: dict[str, None] = {}  # in their order, each once
    for name in map(str.strip, named.split(",")):
        if name in NO_DEVICE:  # CUDA ignores what follows
            break
        if name.isdecimal() and int(name) >= count:
            raise UserError(f"{VARIABLE}={named}: there is no GPU {name}, nvidia-smi lists 0 to {count - 1}")
        names[name] = None
    return tuple(names)


def _count_gpus() -> int:
    program = shutil.which("nvidia-smi")
    if program is None:
        return 0
    try:
        done = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=PATIENCE, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        reason = " ".join((getattr(error, "stdout", None) or str(error)).split())
        warn(f"nvidia-smi -L: {reason}: the jobs are started as on a machine without a GPU")
        return 0
    return done.stdout.count("\nGPU ") + done.stdout.startswith("GPU ")
