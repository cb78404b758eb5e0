"""The GPUs of this machine that the jobs of a local sweep may use."""

import os
import subprocess
from collections.abc import Mapping

VARIABLE = "CUDA_VISIBLE_DEVICES"
NO_DEVICE = ("", "-1", "NoDevFiles")  # what schedulers write for none
PATIENCE = 60  # seconds to wait for nvidia-smi, which may have to load the driver


def find_gpus(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the GPUs that this process may use: those that CUDA_VISIBLE_DEVICES names, else all, by their numbers."""
    try:
        listed = subprocess.run(("nvidia-smi", "-L"), capture_output=True, text=True, timeout=PATIENCE, check=True)
    except (OSError, subprocess.SubprocessError):  # no driver, or one that does not answer
        return ()
    count = sum(line.startswith("GPU ") for line in listed.stdout.splitlines())
    named = environment.get(VARIABLE)
    if named is None or not count:
        return tuple(map(str, range(count)))
    return tuple(name for name in map(str.strip, named.split(",")) if name not in NO_DEVICE)
