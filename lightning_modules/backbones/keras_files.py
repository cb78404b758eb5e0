"""Converts Keras' weights of ImageNet, files in its first HDF5 layout, into those of timm's networks.

Keras' scaling of the images becomes a mean and a standard deviation of RGB images.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import timm
import torch
from torch import nn

from common.errors import UserError
from common.files import atomic_path, write_text
from lightning_modules.backbones.local_weights import SideFile, side_path

Layers = dict[str, list[np.ndarray]]  # the arrays of each of Keras' layers with weights, by its name
Scale = tuple[float, float, float]
# Keras' preprocessing "caffe" takes the mean (0 to 255) from BGR images, and divides by nothing.
CAFFE_MEAN: Scale = (123.68 / 255, 116.779 / 255, 103.939 / 255)
CAFFE_STD: Scale = (1 / 255, 1 / 255, 1 / 255)
CLASSIFIER = "pre_logits"  # of VGG16, which the files lack as they do the last layer of every network


@dataclass(frozen=True)
class Network:
    """How Keras built a network: timm's ``args`` for it, and what its BatchNorm adds to variances beyond timm's.

    Attributes:
        numbered: Whether the numbers in the names of layers give the order of timm's; otherwise that of the file does.
    """

    licence: str
    mean: Scale = (0.5, 0.5, 0.5)
    std: Scale = (0.5, 0.5, 0.5)
    args: dict[str, Any] = field(default_factory=dict)
    more_eps: float = 0.0
    numbered: bool = True


NETWORKS = {
    "resnet50_v1": Network("MIT", CAFFE_MEAN, CAFFE_STD, more_eps=1.001e-5 - 1e-5),
    "vgg16": Network("CC-BY-4.0", CAFFE_MEAN, CAFFE_STD),
    "mobilenetv2_100": Network("Apache-2.0", args={"pad_type": "same", "bn_eps": 0.001}, numbered=False),
    "inception_v3_keras": Network("Apache-2.0"),
}


def convert(source: Path, network: str, target: Path, origin: str) -> None:
    """Write Keras' file ``source`` of a network as safetensors to ``target``; the side file names its ``origin``.

    Raises:
        UserError: The file is not of this network.
        OSError: A file cannot be read or written.
    """
    try:
        state = converted(read_layers(source), network)
    except (KeyError, ValueError) as error:
        raise UserError(f"{source.name} does not hold Keras' weights of {network}: {error}") from error
    facts = NETWORKS[network]
    side = SideFile(
        model=network,
        timm_args=facts.args,
        mean=facts.mean,
        std=facts.std,
        interpolation="bilinear",
        input_size=(3, 224, 224),
        covers="all modules but the classifier",
        freeze_batchnorm=False,
        source=origin,
        licence=f"{facts.licence} upstream",
    )
    write_text(side_path(target), side.model_dump_json(indent=2) + "\n")
    with atomic_path(target) as temporary:
        temporary.write_bytes(safetensors.torch.save(state))


def read_layers(path: Path) -> Layers:
    """Return the weights of a Keras file in the order of its layers; those without weights are left out."""
    import h5py  # here: only a first training with these weights needs it

    layers = {}
    with h5py.File(path) as file:
        for name in map(_text, file.attrs["layer_names"]):
            arrays = [file[name][_text(weight)][()] for weight in file[name].attrs["weight_names"]]
            if arrays:
                layers[name] = arrays
    return layers


def converted(layers: Layers, network: str) -> dict[str, torch.Tensor]:
    """Return the state of timm's ``network`` without its classifier; both have their layers in the same order.

    Raises:
        ValueError: The layers are not those of the network.
    """
    facts = NETWORKS[network]
    with torch.device("meta"):
        model = timm.create_model(network, num_classes=0, **facts.args)
    modules = [(name, module) for name, module in model.named_modules() if not name.startswith(CLASSIFIER)]
    convolutions = [(name, module) for name, module in modules if isinstance(module, nn.Conv2d)]
    batchnorms = [name for name, module in modules if isinstance(module, nn.BatchNorm2d)]
    in_order = [layers[name] for name in (sorted(layers, key=_numbers) if facts.numbered else layers)]
    kernels = [arrays for arrays in in_order if arrays[0].ndim == 4]
    statistics = [arrays for arrays in in_order if arrays[0].ndim == 1]
    if (len(kernels), len(statistics)) != (len(convolutions), len(batchnorms)):
        raise ValueError(f"{len(kernels)} convolutions instead of {len(convolutions)}")
    state: dict[str, np.ndarray] = {}
    for (name, module), (kernel, *bias) in zip(convolutions, kernels, strict=True):
        # From (height, width, in, out), depthwise (height, width, out, 1), to (out, in, height, width).
        weight = kernel.transpose((2, 3, 0, 1) if module.groups > 1 else (3, 2, 0, 1))
        if facts.std == CAFFE_STD and module.in_channels == 3:
            weight = weight[:, ::-1]  # from BGR
        state[f"{name}.weight"] = weight
        if module.bias is not None:
            state[f"{name}.bias"] = bias[0]
    for name, (*gain, offset, mean, variance), (_, *bias) in zip(batchnorms, statistics, kernels, strict=False):
        state[f"{name}.weight"] = gain[0] if gain else np.ones_like(offset)
        state[f"{name}.bias"] = offset
        state[f"{name}.running_mean"] = mean - bias[0] if bias else mean  # of the convolution, which has none in timm
        state[f"{name}.running_var"] = variance + np.float32(facts.more_eps)
        state[f"{name}.num_batches_tracked"] = np.array(0)
    for key, expected in model.state_dict().items():
        if not key.startswith(CLASSIFIER) and state[key].shape != tuple(expected.shape):
            raise ValueError(f"{key} has the shape {state[key].shape}, not {tuple(expected.shape)}")
    return {key: torch.from_numpy(values.copy()) for key, values in state.items()}


def _numbers(name: str) -> list[int]:
    """Return the numbers in the name of a layer, such as 7, or stage, block and place in it: timm's order.

    Keras gives the first layer of a process no number. A place of 0 is the convolution beside the block, timm's last.
    """
    return [int(digits) or 9 for digits in re.findall(r"\d+", name)]


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name
