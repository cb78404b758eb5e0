"""How weights are loaded: of checkpoints, and of portable models."""

import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from karyocyte.common.errors import UserError
from karyocyte.common.files import raise_unreadable


def is_whole(path: Path) -> bool:
    """Tell whether a checkpoint is as it was written: its parts have a CRC-32 each, which torch ignores.

    Raises:
        OSError, MemoryError: It is missing, or cannot be read at present.
    """
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                return archive.testzip() is None
        except Exception as error:  # damaged bytes raise errors of many kinds
            raise_unreadable(path, error)
            return False


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return the content of a checkpoint, on the CPU.

    Raises:
        UserError: It is missing or damaged, or holds objects other than tensors and plain values, which could run code.
        OSError, MemoryError: It cannot be read at present.
    """
    try:
        if not is_whole(path):
            raise zipfile.BadZipFile
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError(f"no checkpoint at {path}") from error
    except (OSError, MemoryError):
        raise
    except Exception as error:  # damaged bytes and objects of other classes raise errors of many kinds
        raise UserError(f"{path} is damaged, or no checkpoint of tensors alone: {type(error).__name__}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} is no checkpoint: it holds a {type(content).__name__}")
    return content


def load_checkpoint(model: nn.Module, path: str | Path) -> None:
    """Load the weights of the checkpoint at ``path`` into ``model``, every key of it.

    Raises:
        UserError: The file is missing, or of another network.
    """
    try:
        model.load_state_dict(read_checkpoint(Path(path))["state_dict"], strict=True)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise UserError(f"{path} does not fit the model of this run: {reason}") from error


def exported_parts(classifier: nn.Module) -> nn.ModuleDict:
    """Return backbone and head of a classifier, which hold all weights: the metrics have none to keep."""
    return nn.ModuleDict({"backbone": classifier.get_submodule("backbone"), "head": classifier.get_submodule("head")})


def load_exported(classifier: nn.Module, path: Path) -> None:
    """Load the weights of a portable model into a classifier.

    Raises:
        UserError: The safetensors file is damaged, or of another network.
    """
    try:
        exported_parts(classifier).load_state_dict(load_file(path))
    except SafetensorError as error:
        raise UserError(f"{path} is no safetensors file ({error}): export the model again") from error
    except RuntimeError as error:  # other names or shapes
        raise UserError(f"{path} does not fit the network that model.json describes: export the model again") from error
