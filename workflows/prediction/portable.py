"""Predictions of new images by a portable model: by torch, or by ONNX Runtime where torch is not installed."""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Protocol

import numpy as np
import pandas as pd

from common.cli import console, say
from common.errors import UserError
from common.predictions import FACTS, UPSIDE_DOWN, Predictions
from common.runs.portable import PortableModel
from common.runs.predicted import Predicted, to_predictions
from datamodules.inference.image_batches import ImageFileBatches
from datamodules.inference.image_files import ImageFiles
from datamodules.io.progress import progress_bar
from datamodules.preprocessing.pipeline import PREPARE_VERSION

BATCH_SIZE = 32
INSTALL = "pip install --group predict --constraint constraints.txt"


class Network(Protocol):
    """From prepared images to probabilities."""

    def arrays(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Return "probability", float32 (B, classes), and more by name, of images uint8 RGB (B, 3, H, W)."""


def predict_by_portable(
    model: PortableModel, images: ImageFiles, runtime: str | None
) -> Iterator[tuple[Predictions, ImageFileBatches]]:
    """Yield the predictions of each member with the files that it has read, prepared like its own images.

    Args:
        model: The portable model.
        images: The files.
        runtime: "torch" or "onnx"; None: torch where it is installed.

    Raises:
        UserError: The code prepares images otherwise than when the model was exported; neither torch nor ONNX Runtime
            is installed; or a file of the model is missing or damaged.
    """
    description = model.description
    if description.prepare_version != PREPARE_VERSION:
        raise UserError(
            f"{model.folder} was exported by code that prepares images otherwise (version "
            f"{description.prepare_version}, here {PREPARE_VERSION}): use revision {description.revision}"
        )
    runtime = _runtime(runtime)
    say(f"{model.folder}: computed by {'torch' if runtime == 'torch' else 'ONNX Runtime'}")
    for position in range(len(description.members)):
        yield _predict_by_member(model, position, images, runtime)


def _runtime(requested: str | None) -> str:
    """Return "torch" or "onnx".

    Raises:
        UserError: It is not installed.
    """
    installed = [name for name, package in (("torch", "torch"), ("onnx", "onnxruntime")) if find_spec(package)]
    if requested is None and installed:
        return installed[0]
    if requested in installed:
        return str(requested)
    raise UserError(f"{'torch' if requested == 'torch' else 'ONNX Runtime'} is not installed: {INSTALL}")


def _predict_by_member(
    model: PortableModel, position: int, images: ImageFiles, runtime: str
) -> tuple[Predictions, ImageFileBatches]:
    description = model.description
    member = description.members[position]
    batches = ImageFileBatches([file.path for file in images.files], member.prepare, BATCH_SIZE)
    predicted = _predicted(_load(model, position, runtime), batches, len(description.classes))
    names = [file.name for file in images.files]
    frame = pd.DataFrame({**dict.fromkeys(FACTS), "image_id": names, "path": names})
    training = member.training
    source = "SYNTHETIC images" if training.synthetic else training.source
    about = {"name": training.name, "source": f"trained on {source}", "synthetic": False}
    parts = pd.Series("test", index=frame.index)
    classes = description.classes
    return to_predictions(predicted, frame, parts, classes, description.positive_class, about), batches


def _predicted(network: Network, batches: ImageFileBatches, classes: int) -> Predicted:
    """Compute all batches, with a progress bar where there are many."""
    index = [np.zeros(0, np.int64)]
    arrays: dict[str, list[np.ndarray]] = {"probability": [np.zeros((0, classes))]}
    with progress_bar(len(batches.files), "predicting", console.is_terminal) as advance:
        for batch in batches:
            index.append(batch.index)
            for name, values in network.arrays(batch.image).items():
                arrays.setdefault(name, []).append(values.astype(np.float64))
            for _ in batch.index:
                advance()
    whole = {name: np.concatenate(parts) for name, parts in arrays.items()}
    return Predicted(np.concatenate(index), whole["probability"], upside_down=whole.get(UPSIDE_DOWN))


def _load(model: PortableModel, position: int, runtime: str) -> Network:
    """Load a member for torch, from its safetensors, or for ONNX Runtime."""
    description = model.description
    member = description.members[position]
    if runtime == "onnx":
        from workflows.portable.onnx_network import OnnxNetwork

        return OnnxNetwork(model.checked_file(position, ".onnx"))
    # here: where torch is not installed, this module is imported, too
    from lightning_modules.portable.network import PredictionNetwork, load_network

    weights = model.checked_file(position, ".safetensors")
    classifier = load_network(member.network, member.prepare.size, len(description.classes), weights)
    return PredictionNetwork(classifier, member.inference).on_best_device()
