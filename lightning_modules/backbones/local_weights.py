"""Weights from a file of one's own: name.safetensors with a side file name.safetensors.json that says what it holds.

In the folder of such files (``weights_dir``) the name alone is enough. A file ``name.trunk_to_<module>.safetensors``
holds the network up to a module; the name means this file where the network is cut there.
"""

import re
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from pydantic import ValidationError
from safetensors import SafetensorError

from karyocyte.common.errors import UserError, first_fault, first_line
from karyocyte.config.base import StrictModel
from lightning_modules.backbones.backbone import Backbone


class SideFile(StrictModel):
    """What a weights file holds, and how images were scaled in training: mean and std of each channel, in [0, 1]."""

    model: str  # timm's name of the network, which is built with ``timm_args``
    timm_args: dict[str, Any]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str
    input_size: tuple[int, int, int]  # (channels, height, width) of the images
    covers: str  # which modules the file holds, for people; "(cut: <module>)" in it is offered when keys are missing
    freeze_batchnorm: bool  # true where BatchNorm was folded into the convolutions: training must leave its statistics
    source: str | None = None
    licence: str | None = None


def find_local(weights: str, folder: Path, cut: str | None) -> Path | None:
    """Return the file of a folder with a name such as ``resnet50_v1.msra_in1k``, or its trunk up to the cut."""
    for name in (weights, f"{weights}.trunk_to_{cut}"):
        path = folder / f"{name}.safetensors"
        if path.is_file():
            return path
    return None


def read_side_file(path: Path) -> SideFile:
    """Read the side file of the weights file ``path`` (``.json`` is added here).

    Raises:
        UserError: The weights file or the side file is missing, or the side file is not as it must be.
    """
    if not path.is_file():
        raise UserError(f"weights={path}: no such file; give the path of a .safetensors file, or say weights=random")
    side = Path(f"{path}.json")
    if not side.is_file():
        keys = ", ".join(SideFile.model_json_schema()["required"])
        raise UserError(f"weights={path}: its side file {side} is missing; write it with the keys {keys}")
    try:
        return SideFile.model_validate_json(side.read_bytes())
    except ValidationError as error:
        raise UserError(f"{side}: {first_fault(error)}") from error


def merge_arguments(user: dict[str, Any], side: SideFile, path: Path) -> dict[str, Any]:
    """Join ``model.args`` with the arguments that the weights were trained with, without a classifier.

    Raises:
        UserError: Both name an argument with different values.
    """
    for key in user.keys() & side.timm_args.keys():
        if user[key] != side.timm_args[key]:
            raise UserError(
                f"model.args.{key}={user[key]!r}, but {path}.json has timm_args.{key}={side.timm_args[key]!r}: "
                "leave the first out"
            )
    merged = {**side.timm_args, **user}
    if "num_classes" in merged:
        merged["num_classes"] = 0
    return merged


def load_file(backbone: Backbone, path: Path, side: SideFile, may_lack: bool = False) -> None:
    """Load a weights file into a backbone; it may hold more below what the cut removed.

    Where it ``may_lack`` whole children of the network, these keep their random weights.

    Raises:
        UserError: The file is not readable safetensors; a key is missing, surplus, of another shape, or not finite.
    """
    try:
        state = safetensors.torch.load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"weights={path}: not a readable safetensors file: {first_line(error)}") from error
    try:
        missing, surplus = backbone.module.load_state_dict(state, strict=False)
    except RuntimeError as error:
        remedy = "compare model.args and prepare.size with what the weights were trained with"
        raise UserError(f"weights={path}: {str(error).splitlines()[-1].strip()} {remedy}") from error
    # Whole modules may be drawn at random, but none in part: that would be a damaged file.
    if may_lack:
        children = set(map(_child, state))
        missing = [key for key in missing if _child(key) in children]
    if missing:
        cut = re.search(r"\(cut: ([\w.]+)\)", side.covers)
        remedy = f"say model.cut={cut[1]}" if cut else "cut the model where the file ends"
        remedy += ", or pretrained.missing=random"
        raise UserError(f"weights={path}: no values for {_some(missing)}; it covers {side.covers}: {remedy}")
    below_removed = tuple(f"{name}." for name in backbone.removed)
    surplus = [key for key in surplus if not key.startswith(below_removed)]
    if surplus:
        raise UserError(f"weights={path}: {side.model} has no place for {_some(surplus)}: is it of another model?")
    for key, values in backbone.module.state_dict().items():
        if not torch.isfinite(values).all():
            raise UserError(f"weights={path}: infinite or undefined values in {key}: the file is damaged")


def _child(key: str) -> str:
    return key.partition(".")[0]


def _some(keys: list[str]) -> str:
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return ", ".join(keys[:3]) + more
