"""How checkpoints are written."""

import io
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins import TorchCheckpointIO

from karyocyte.common.files import write_bytes


class WholeFiles(TorchCheckpointIO):
    """Writes a checkpoint beside its place and renames it: a kill or a full disk in the middle leaves the old one.

    Lightning would write it to the machine's folder for temporary files first, which is small on many nodes.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write ``checkpoint`` to ``path``; after an OSError, such as of a full disk, nothing of it is left."""
        content = io.BytesIO()  # given a file, torch would not say that the disk is full
        torch.save(checkpoint, content)
        write_bytes(Path(path), content.getbuffer())
