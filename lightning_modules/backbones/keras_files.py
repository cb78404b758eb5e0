"""Converts Keras' weights of ImageNet, files in its first HDF5 layout, into those of timm's networks.

Keras' scaling of the images becomes a mean and a standard deviation of RGB images.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import safetensors.torch
import timm
import torch
from torch import nn

from karyocyte.common.files import atomic_path
from karyocyte.common.keras import KERAS
from lightning_modules.backbones.local_weights import SideFile
from lightning_modules.networks import register_network

Arrays = Sequence[list[np.ndarray]]
State = dict[str, np.ndarray]
Layers = dict[str, list[np.ndarray]]  # the arrays of each of Keras' layers with weights, by its name


def convert(source: Path, network: str, target: Path, origin: str) -> None:
    """Write Keras' file ``source`` of a network as safetensors to ``target``; the side file names its ``origin``."""
    state = timm_state(read_layers(source), network)
    facts = KERAS[network]
    side = SideFile(
        model=network,
        timm_args=facts.args,
        mean=(123.68 / 255, 116.779 / 255, 103.939 / 255) if facts.caffe else (0.5, 0.5, 0.5),
        std=(1 / 255, 1 / 255, 1 / 255) if facts.caffe else (0.5, 0.5, 0.5),
        interpolation="bilinear",
        input_size=(3, 224, 224),
        covers="all modules but the classifier",
        freeze_batchnorm=False,
        source=origin,
        licence=f"{facts.licence} upstream",
    )
    # Both are renamed after both were written: a full disk leaves neither.
    with atomic_path(Path(f"{target}.json")) as side_file, atomic_path(target) as file:
        side_file.write_text(side.model_dump_json(indent=2) + "\n")
        file.write_bytes(safetensors.torch.save(state))


def read_layers(path: Path) -> Layers:
    """Return the weights of a Keras file in the order of its layers; those without weights are left out."""
    import h5py  # here: only a first training with these weights needs it

    with h5py.File(path) as file:
        groups = [file[name] for name in file.attrs["layer_names"]]
        layers = {group.name: [group[name][()] for name in group.attrs["weight_names"]] for group in groups}
    return {name: arrays for name, arrays in layers.items() if arrays}


def timm_state(layers: Layers, network: str) -> dict[str, torch.Tensor]:
    """Return the state of timm's ``network`` without its classifier; both have their layers in the same order."""
    facts = KERAS[network]
    register_network(network)
    # Names and shapes are all that is asked of it.
    with torch.device("meta"):
        model = timm.create_model(network, num_classes=0, **facts.args)
    convolutions = {name: module for name, module in model.named_modules() if isinstance(module, nn.Conv2d)}
    batchnorms = [name for name, module in model.named_modules() if isinstance(module, nn.BatchNorm2d)]
    in_order = [layers[name] for name in (sorted(layers, key=_numbers) if facts.numbered else layers)]
    kernels = [arrays for arrays in in_order if arrays[0].ndim == 4]
    statistics = [arrays for arrays in in_order if arrays[0].ndim == 1]
    state = _of_convolutions(convolutions, kernels, facts.caffe) | _of_batchnorms(batchnorms, statistics, kernels)
    return {key: torch.from_numpy(values.copy()) for key, values in state.items()}


def _of_convolutions(modules: Mapping[str, nn.Conv2d], kernels: Arrays, bgr: bool) -> State:
    state = {}
    # The two last convolutions of timm's VGG16 are of its classifier, which the file lacks.
    for (name, module), (kernel, *bias) in zip(modules.items(), kernels, strict=False):
        # From (height, width, in, out), depthwise (height, width, out, 1), to (out, in, height, width).
        weight = kernel.transpose((2, 3, 0, 1) if module.groups > 1 else (3, 2, 0, 1))
        if bgr and module.in_channels == 3:
            weight = weight[:, ::-1]
        state[f"{name}.weight"] = weight
        if module.bias is not None:
            state[f"{name}.bias"] = bias[0]
    return state


def _of_batchnorms(names: Sequence[str], statistics: Arrays, kernels: Arrays) -> State:
    state = {}
    for name, (*gain, offset, mean, variance), (_, *bias) in zip(names, statistics, kernels, strict=False):
        state[f"{name}.weight"] = gain[0] if gain else np.ones_like(offset)
        state[f"{name}.bias"] = offset
        state[f"{name}.running_mean"] = mean - bias[0] if bias else mean  # of the convolution, which has none in timm
        state[f"{name}.running_var"] = variance
        state[f"{name}.num_batches_tracked"] = np.array(0)
    return state


def _numbers(name: str) -> list[int]:
    """Return the numbers in the name of a layer, such as 7, or stage, block and place in it: timm's order.

    Keras gives the first layer of a process no number. A place of 0 is the convolution beside the block, timm's last.
    """
    return [int(digits) or 9 for digits in re.findall(r"\d+", name)]
