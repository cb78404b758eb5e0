"""GPUs that are only pretended: a program `nvidia-smi` that lists them."""

from pathlib import Path

import pytest


def pretend_gpus(folder: Path, patch: pytest.MonkeyPatch, count: int, visible: str | None = None) -> None:
    """Let nvidia-smi list so many GPUs; ``visible``: the value of CUDA_VISIBLE_DEVICES."""
    listing = "".join(f"GPU {number}: NVIDIA H100 (UUID: GPU-{number:08x}-aaaa-bbbb)\n" for number in range(count))
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{listing}END\n")
    program.chmod(0o755)
    patch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    patch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        patch.setenv("CUDA_VISIBLE_DEVICES", visible)
