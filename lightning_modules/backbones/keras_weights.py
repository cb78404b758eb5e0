"""Keras' weights of ImageNet from its store: downloaded, checked, converted once and kept in the cache.

The files, in Keras' first HDF5 layout, become the weights of timm's networks; Keras' scaling of the images becomes a
mean and a standard deviation of RGB images.
"""

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from functools import partial
from http.client import HTTPException
from pathlib import Path
from shutil import copyfileobj
from urllib.request import urlopen

import numpy as np
import safetensors.torch
import timm
import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from karyocyte.common.cli import say
from karyocyte.common.errors import UserError, first_line
from karyocyte.common.files import write_bytes
from karyocyte.common.keras import KERAS, KerasWeights
from karyocyte.common.locks import one_at_a_time
from lightning_modules.backbones.weights_folders import NotDownloadedError, WeightsFolders
from lightning_modules.networks import register_network

STORE = "https://storage.googleapis.com/tensorflow/keras-applications"
TIMEOUT_SECONDS = 10.0  # without an answer, or without a further byte
MIRROR = "KARYOCYTE_KERAS_STORE"  # names another address with the same files
Arrays = Sequence[list[np.ndarray]]
State = dict[str, np.ndarray]
Layers = dict[str, list[np.ndarray]]  # the arrays of each of Keras' layers with weights, by its name


def keras_weights(network: str, folders: WeightsFolders) -> Path:
    """Convert Keras' weights of a network into the cache; return their file, .safetensors.

    The file of the store is looked for in the user's folder before it is downloaded. One process of a machine does so,
    and the others wait.

    Raises:
        UserError: They are not to be had, or not to be converted; nothing is left behind.
    """
    facts = KERAS[network]
    weights = f"weights={facts.name}"
    if folders.cache is None:
        raise UserError(f"{weights}: set cache_dir, the folder of what is converted from Keras' file")
    target = folders.cache / f"{facts.name}.safetensors"
    if _is_kept(target):
        return target
    file = Path(facts.path).name
    source = address_of(facts)
    if folders.own and (folders.own / file).is_file():
        source = str(folders.own / file)
    elif not folders.downloads:
        raise NotDownloadedError(f"{weights}: {source} was not brought yet")
    try:
        with one_at_a_time(target.with_suffix(".lock"), f"brings {target}"):
            # Another process may have brought it in the meantime.
            if not _is_kept(target):
                _make(source, network, target)
    except (OSError, HTTPException, ValueError) as error:
        place = folders.own or "a folder that weights_dir names"
        raise UserError(
            f"{weights}: {source} was not brought to {folders.cache}: {first_line(error)}; bring {file}, with its "
            f"{facts.size:,} bytes, to {place} (KARYOCYTE_WEIGHTS_DIR), or take others, such as weights=random"
        ) from error
    return target


def address_of(facts: KerasWeights) -> str:
    """Return where a file of Keras' store is downloaded from."""
    return f"{(os.environ.get(MIRROR) or STORE).rstrip('/')}/{facts.path}"


def _is_kept(target: Path) -> bool:
    """Return whether a converted file is in the cache; a ``UserError`` says that it is damaged."""
    if not target.is_file():
        return False
    try:
        with safe_open(target, "pt"):
            return True
    except (SafetensorError, OSError) as error:
        raise UserError(f"{target} is damaged ({first_line(error)}): delete it: it is made again") from error


def _make(source: str, network: str, target: Path) -> None:
    """Convert the file with the path or the address ``source``; a download is removed again."""
    facts = KERAS[network]
    file = Path(source)
    download = target.with_name(f".{file.name}")  # the lock is held: what a killed process has left is overwritten
    try:
        if not file.is_file():
            file = download
            _download(source, facts.size, file)
        _check(file, facts)
        state = timm_state(read_layers(file), network)
        write_bytes(target, safetensors.torch.save(state))
    finally:
        download.unlink(missing_ok=True)
    say("Keras' weights were checked and converted", str(target))


def _download(url: str, size: int, target: Path) -> None:
    say(f"downloading {size / 1e6:.1f} MB", url)
    with urlopen(url, timeout=TIMEOUT_SECONDS) as response, open(target, "wb") as copy:
        copyfileobj(response, copy)


def _check(path: Path, facts: KerasWeights) -> None:
    """Compare a file with what is known of it."""
    algorithm, _, expected = facts.digest.partition(":")
    with open(path, "rb") as content:
        digest = hashlib.file_digest(content, partial(hashlib.new, algorithm, usedforsecurity=False)).hexdigest()
    if digest != expected:
        raise ValueError(f"its {algorithm} is {digest}, not {expected}: it is damaged, cut short or another file")


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
