"""How weights are loaded: of the checkpoints of runs, and of the safetensors files of exports."""

import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from karyocyte.common.errors import UserError
from karyocyte.common.files import raise_unreadable

HEAD = "head."


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


def load_weights(model: nn.Module, path: Path, keep_head: bool = False) -> None:
    """Load the weights of a checkpoint, or of an export (safetensors), into a network, all or but those of the head.

    Raises:
        UserError: The file is missing or damaged, or of another network.
    """
    loaded = model
    if path.suffix == ".safetensors":
        loaded = exported_parts(model)
        state = _read_exported(path)
    else:
        state = read_checkpoint(path)["state_dict"]
    try:
        loaded.load_state_dict(_with_head_of(loaded, state) if keep_head else state)
    except RuntimeError as error:  # other names or shapes
        reason = str(error).splitlines()[-1].strip()
        raise UserError(f"{path} does not fit the model: {reason}") from error


def exported_parts(classifier: nn.Module) -> nn.ModuleDict:
    """Return backbone and head of a classifier, which hold all weights: the metrics have none to keep."""
    return nn.ModuleDict({"backbone": classifier.get_submodule("backbone"), "head": classifier.get_submodule("head")})


def _with_head_of(model: nn.Module, state: dict[str, Any]) -> dict[str, Any]:
    """Return the state of another network with the head of a model."""
    others = {key: value for key, value in state.items() if not key.startswith(HEAD)}
    return others | {key: value for key, value in model.state_dict().items() if key.startswith(HEAD)}


def _read_exported(path: Path) -> dict[str, Any]:
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: export the model again") from error
    except SafetensorError as error:
        raise UserError(f"{path} is no safetensors file ({error}): export the model again") from error
