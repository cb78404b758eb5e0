"""Backbones with weights: random, from a file, or those of timm; never others than were asked for."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import BadZipFile, is_zipfile

import safetensors.torch
import torch
from torch import nn

from karyocyte.common.errors import UserError, first_line
from karyocyte.common.files import sha256_of_file, sha256_of_value
from karyocyte.config.schema import ModelConfig, PretrainedConfig
from lightning_modules.backbones.backbone import (
    Backbone,
    build_backbone,
    create_network,
    finish_backbone,
    has_running_statistics,
    image_scale,
)
from lightning_modules.backbones.truncation import ImageSize
from lightning_modules.backbones.weights_folders import WeightsFolders
from lightning_modules.support.checkpoint_io import is_whole


@dataclass(frozen=True)
class WeightsInfo:
    """What a backbone's weights are, and the mean and standard deviation of the images that they want, in [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    sha256: str | None  # of the file's bytes, 64 hex digits; None for random weights
    freeze_batchnorm: bool  # true where BatchNorm must stay in eval mode in every stage
    args: dict[str, Any]  # timm's arguments that the network was built with, those of the weights among them

    def content_hash(self) -> str:
        """Return a SHA-256 (64 hex digits) over all that changes what the network computes, wherever the file lies."""
        return sha256_of_value([self.sha256, self.mean, self.std, self.freeze_batchnorm, self.args])


def build_pretrained(
    model: ModelConfig,
    weights: str,
    input_size: ImageSize,
    pretrained: PretrainedConfig = PretrainedConfig(),  # noqa: B008 (frozen)
    folders: WeightsFolders = WeightsFolders(),  # noqa: B008 (frozen)
) -> tuple[Backbone, WeightsInfo]:
    """Build the backbone that ``model`` describes, with its weights.

    Args:
        model: Name, timm arguments and cut of the network.
        weights: ``random``; ``keras``, those that Keras publishes; ``pip``, those of an installed package; the name of
            a file in ``weights_dir`` (``resnet50_v1.msra_in1k``); one of timm's tags for this network
            (``resnet50.tv_in1k``); the path of a ``.safetensors`` or ``.pth`` file; or timm's forms
            ``hf-hub:<owner>/<repository>`` and ``local-dir:<folder>``, whose config.json says what the weights are.
        input_size: Of the images, in pixels.
        pretrained: The scale of the images, where it is another one.
        folders: A name is looked for there before it is downloaded.

    Raises:
        UserError: Anything about the model or its weights that the user must correct.
    """
    if weights == "random":
        backbone = build_backbone(model.name, model.args, model.cut, input_size)
        usual_mean, usual_std = image_scale(backbone.module)
        scale = pretrained.mean or usual_mean, pretrained.std or usual_std
        return backbone, WeightsInfo(*scale, None, False, model.args)
    from lightning_modules.backbones.weights import find_weights  # here: random weights are in no file

    found = find_weights(model, weights, folders)
    assert found.path is not None
    args = {**found.args, **model.args}
    if found.config is None:
        backbone = build_backbone(model.name, args, model.cut, input_size)
        load_file(backbone, found.path)
    else:
        # timm loads the whole network, which is then cut: it knows how each of its files is converted. The hub has them
        # in timm's own format even where their first source, at an address, was in another.
        config = replace(found.config, file=str(found.path), source=None, custom_load=False)
        with _complete_loading():
            network = create_network(model.name, args, input_size, pretrained=True, pretrained_cfg=config)
        backbone = finish_backbone(network, model.cut, input_size)
    mean, std = pretrained.mean or found.scale[0], pretrained.std or found.scale[1]
    if mean is None or std is None:
        remedy = "add pretrained.mean=[R,G,B] and pretrained.std=[R,G,B], of images in [0, 1]"
        raise UserError(f"weights={weights}: nothing says the scale of the images that it was trained with: {remedy}")
    return backbone, WeightsInfo(mean, std, sha256_of_file(found.path), _is_folded(backbone.module), args)


def _is_folded(backbone: nn.Module) -> bool:
    """Tell whether BatchNorm was folded into the convolutions of a trained network: every mean that it keeps is 0."""
    means = [module.get_buffer("running_mean") for module in backbone.modules() if has_running_statistics(module)]
    return bool(means) and not any(map(torch.any, means))


@contextmanager
def _complete_loading() -> Iterator[None]:
    """Let timm raise what it only logs: that the weights which it loads lack some of the network's keys."""

    def refuse(record: logging.LogRecord) -> bool:
        """Make an error of what timm only logs."""
        message = record.getMessage()
        if message.startswith(("Missing keys", "Unable to convert", "Invalid pretrained")):
            raise ValueError(f"the file does not hold the whole network: {message[:160]}")
        return False  # nothing is printed

    logger = logging.getLogger("timm.models._builder")
    before = logger.level
    logger.setLevel(logging.INFO)
    logger.addFilter(refuse)
    try:
        yield
    finally:
        logger.removeFilter(refuse)
        logger.setLevel(before)


def load_file(backbone: Backbone, path: Path) -> None:
    """Load a weights file into a backbone; it may hold more below what the cut removed.

    Raises:
        UserError: The file is not readable; a key is missing, surplus, of another shape, or not finite.
    """
    state = _of_network(_read(path), backbone.module, path)
    try:
        missing, surplus = backbone.module.load_state_dict(state, strict=False)
    except RuntimeError as error:
        remedy = "compare model.args and prepare.size with what the weights were trained with"
        raise UserError(f"weights={path}: {str(error).splitlines()[-1].strip()} {remedy}") from error
    if missing:
        covered = ", ".join(dict.fromkeys(key.partition(".")[0] for key in state))
        remedy = "set model.cut where the file ends"
        raise UserError(f"weights={path}: no values for {_some(missing)}; it covers {covered}: {remedy}")
    below_removed = tuple(f"{name}." for name in backbone.removed)
    surplus = [key for key in surplus if not key.startswith(below_removed)]
    if surplus:
        raise UserError(f"weights={path}: the network has no place for {_some(surplus)}: is it of another model?")
    for key, values in backbone.module.state_dict().items():
        if not torch.isfinite(values).all():
            raise UserError(f"weights={path}: infinite or undefined values in {key}: the file is damaged")


def _read(path: Path) -> dict[str, torch.Tensor]:
    """Read the tensors of a file by their names in it, joined by dots; what it is says its content, not its ending."""
    try:
        with open(path, "rb") as file:
            is_safetensors = file.read(9)[8:] == b"{"  # after the length of this JSON
        if is_safetensors:
            return safetensors.torch.load_file(path)
        if is_zipfile(path) and not is_whole(path):
            raise BadZipFile("damaged")
        return dict(_tensors(torch.load(path, map_location="cpu", weights_only=True)))
    except UnpicklingError as error:
        objects = "it is damaged (download it again), or holds objects of Python, which could run code"
        remedy = "save its values alone, torch.save(network.state_dict(), <file>)"
        raise UserError(f"weights={path}: not a readable file of weights: {objects}: {remedy}") from error
    except Exception as error:  # damaged bytes raise errors of many kinds
        raise UserError(f"weights={path}: not a readable file of weights: {first_line(error)}") from error


def _tensors(content: Any, prefix: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the tensors of mappings within mappings, as a training program saves them with much else."""
    if isinstance(content, torch.Tensor):
        yield prefix, content
    elif isinstance(content, Mapping):
        for key, value in content.items():
            yield from _tensors(value, f"{prefix}.{key}" if prefix else str(key))


def _of_network(state: dict[str, torch.Tensor], network: nn.Module, path: Path) -> dict[str, torch.Tensor]:
    """Return the weights of a network without what was around their names, such as ``state_dict.module.encoder.``."""
    found = _prefixes(state, network.state_dict())
    # A file that has an average of the weights, too, is read as timm does: without it.
    prefixes = [prefix for prefix in found if "ema" not in prefix] or found
    if not any(state):
        raise UserError(f"weights={path}: it holds no named tensors: save those of network.state_dict()")
    if not prefixes:
        others = f"only {_some(list(state))}: is it of another model?"
        raise UserError(f"weights={path}: no name of the network in it, {others}")
    if len(prefixes) > 1:
        raise UserError(f"weights={path}: several networks, {', '.join(prefixes)}: save one of them alone")
    return {key.removeprefix(prefixes[0]): value for key, value in state.items() if key.startswith(prefixes[0])}


def _prefixes(names: Iterable[str], own: Iterable[str]) -> list[str]:
    """Return what precedes most of a network's ``own`` names; several where a file has several such networks."""
    before: Counter[str] = Counter()
    for name in names:
        ends = [end for end in own if f".{name}".endswith(f".{end}")]
        before.update(map(name.removesuffix, ends))
    most = [prefix for prefix, count in before.items() if count == max(before.values())]
    # A part of the network may have the names of another: the outer one is meant.
    return [prefix for prefix in most if not prefix.startswith(tuple({*most} - {prefix}))]


def _some(keys: list[str]) -> str:
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return ", ".join(keys[:3]) + more
