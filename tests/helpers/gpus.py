"""GPUs that are only pretended: a program `nvidia-smi` that lists them."""

from pathlib import Path

import pytest

DIVIDED = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5c89852c-d268-c3f3-1b07-005d5ae1dc3f)
  MIG 3g.20gb     Device  0: (UUID: MIG-7089d0f3-293f-58c9-8f8c-5ea666eedbde)
  MIG 3g.20gb     Device  1: (UUID: MIG-56c30729-347f-5dd6-8da0-c3cc59e969e0)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-11111111-d268-c3f3-1b07-005d5ae1dc3f)
"""


def pretend_gpus(folder: Path, patch: pytest.MonkeyPatch, listing: int | str, visible: str | None = None) -> None:
    """Let nvidia-smi list so many GPUs, or print a listing; ``visible``: the value of CUDA_VISIBLE_DEVICES."""
    if isinstance(listing, int):
        lines = [f"GPU {number}: NVIDIA H100 (UUID: GPU-{number:08x}-aaaa-bbbb)\n" for number in range(listing)]
        listing = "".join(lines)
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{listing}END\n")
    program.chmod(0o755)
    patch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    patch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        patch.setenv("CUDA_VISIBLE_DEVICES", visible)
