"""The networks of a portable model, computed by torch, or by ONNX Runtime where torch is not installed."""

from importlib.util import find_spec
from typing import Protocol

import numpy as np

from common.cli import say
from common.errors import UserError
from common.runs.portable import GRAPH, WEIGHTS, PortableModel
from datamodules.preprocessing.pipeline import PREPARE_VERSION

INSTALL = "pip install --group predict --constraint constraints.txt"
PACKAGES = {"torch": "torch", "onnx": "onnxruntime"}


class Network(Protocol):
    """From prepared images to probabilities."""

    def arrays(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Return "probability", float32 (B, classes), and more by name, of images uint8 RGB (B, 3, H, W)."""

    def adapt_to(self, images: np.ndarray) -> int:
        """Adapt it to prepared images, uint8 RGB, shape (N, H, W, 3); return the number of layers that were adapted."""


def choose_runtime(model: PortableModel, requested: str | None, batchnorm: str | None) -> str:
    """Return "torch" or "onnx", and say which.

    Args:
        model: The portable model.
        requested: "torch" or "onnx"; None: torch where it is installed.
        batchnorm: The option ``--batchnorm``: ONNX graphs cannot be adapted to images.

    Raises:
        UserError: The code prepares images otherwise than when the model was exported; or neither torch nor ONNX
            Runtime is installed, or not the one that is asked for; or a graph is to be adapted to images.
    """
    description = model.description
    if description.prepare_version != PREPARE_VERSION:
        raise UserError(
            f"{model.folder} was exported by code that prepares images otherwise (version "
            f"{description.prepare_version}, here {PREPARE_VERSION}): use revision {description.revision}"
        )
    installed = [name for name, package in PACKAGES.items() if find_spec(package)]
    if requested is not None:
        installed = [name for name in installed if name == requested]
    if not installed:
        raise UserError(f"{'torch' if requested == 'torch' else 'ONNX Runtime'} is not installed: {INSTALL}")
    runtime = installed[0]
    if runtime == "onnx" and batchnorm == "images":
        raise UserError("batchnorm=images needs torch: ONNX graphs keep the statistics of training, leave it out")
    say(f"{model.folder}: computed by {'torch' if runtime == 'torch' else 'ONNX Runtime'}")
    if runtime == "onnx" and any(member.adapts(batchnorm) for member in description.members):
        say("BatchNorm keeps the statistics of training: those of the images (inference.batchnorm=images) need torch")
    return runtime


def open_network(model: PortableModel, position: int, runtime: str) -> Network:
    """Load a member for torch, from its safetensors, or for ONNX Runtime.

    Args:
        model: The portable model.
        position: Of the member, from 0.
        runtime: As ``choose_runtime`` returns it.

    Raises:
        UserError: The file is missing or damaged.
    """
    description = model.description
    member = description.members[position]
    if runtime == "onnx":
        from workflows.portable.onnx_network import OnnxNetwork

        return OnnxNetwork(model.checked_file(position, GRAPH))
    # here: where torch is not installed, this module is imported, too
    from lightning_modules.portable.network import PredictionNetwork, load_network

    weights = model.checked_file(position, WEIGHTS)
    classifier = load_network(member.network, member.prepare.size, len(description.classes), weights)
    return PredictionNetwork(classifier, member.inference).on_best_device()
