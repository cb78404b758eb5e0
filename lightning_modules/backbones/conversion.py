"""Weights of other programs, under the names of timm's networks: Keras' files, and those of a Python package."""

import re
from collections import defaultdict
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from torch import nn

from karyocyte.common.errors import UserError
from karyocyte.common.keras import KERAS
from lightning_modules.networks import register_network

State = dict[str, torch.Tensor]
Values = dict[str, np.ndarray]
Arrays = list[np.ndarray]  # of a layer of Keras


def state_of_package(file: Path, network: str) -> State:
    """Read a file whose values are in the order of timm's, under other names.

    Raises:
        UserError: It holds the values of another network.
    """
    values = list(torch.load(file, map_location="cpu", weights_only=True).values())
    wanted = _without_values(network).state_dict()
    if [value.shape for value in values] != [value.shape for value in wanted.values()]:
        raise UserError(f"weights=pip: {file} does not hold the values of {network}: install its package again")
    return {name: value.contiguous() for name, value in zip(wanted, values, strict=True)}


def state_of_keras(path: Path, network: str) -> State:
    """Read a file in Keras' first HDF5 layout, whose layers are in timm's order; it has no classifier."""
    facts = KERAS[network]
    layers = _read_layers(path)
    by_axes: dict[int, list[Arrays]] = defaultdict(list)
    # timm's order: by number, or stage, block and place, of which 0, beside the block, is last. Keras' first has none.
    order = sorted(layers, key=lambda name: [int(digits) or 9 for digits in re.findall(r"\d+", name)])
    for name in order if facts.numbered else layers:
        by_axes[layers[name][0].ndim].append(layers[name])
    kernels, statistics = iter(by_axes[4]), iter(by_axes[1])
    values: dict[str, np.ndarray] = {}
    bias: Arrays = []
    for name, module in _without_values(network, num_classes=0, **facts.args).named_modules():
        if isinstance(module, nn.Conv2d):
            # The two last convolutions of timm's VGG16 are of its classifier, which the file lacks.
            for kernel, *bias in islice(kernels, 1):
                values |= _of_convolution(name, module, kernel, bias, facts.caffe)
        elif isinstance(module, nn.BatchNorm2d):
            values |= _of_batchnorm(name, next(statistics), bias)
    return {key: torch.from_numpy(value.copy()) for key, value in values.items()}


def _without_values(network: str, **args: Any) -> nn.Module:
    """Return a network of timm of which only names and shapes are asked."""
    register_network(network)
    with torch.device("meta"):
        module: nn.Module = timm.create_model(network, **args)
    return module


def _read_layers(path: Path) -> dict[str, Arrays]:
    """Return the weights of a Keras file in the order of its layers; those without weights are left out."""
    import h5py  # here: only a first training with these weights needs it

    with h5py.File(path) as file:
        groups = [file[name] for name in file.attrs["layer_names"]]
        layers = {group.name: [group[name][()] for name in group.attrs["weight_names"]] for group in groups}
    return {name: arrays for name, arrays in layers.items() if arrays}


def _of_convolution(name: str, module: nn.Conv2d, kernel: np.ndarray, bias: Arrays, bgr: bool) -> Values:
    # From (height, width, in, out), depthwise (height, width, out, 1), to (out, in, height, width).
    weight = kernel.transpose((2, 3, 0, 1) if module.groups > 1 else (3, 2, 0, 1))
    if bgr and module.in_channels == 3:
        weight = weight[:, ::-1]
    values = {f"{name}.weight": weight}
    if module.bias is not None:
        values[f"{name}.bias"] = bias[0]
    return values


def _of_batchnorm(name: str, arrays: Arrays, bias: Arrays) -> Values:
    """``bias`` is that of the convolution before it, which has none in timm."""
    *gain, offset, mean, variance = arrays
    return {
        f"{name}.weight": gain[0] if gain else np.ones_like(offset),
        f"{name}.bias": offset,
        f"{name}.running_mean": mean - bias[0] if bias else mean,
        f"{name}.running_var": variance,
        f"{name}.num_batches_tracked": np.array(0),
    }
