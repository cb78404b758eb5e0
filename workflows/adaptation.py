"""Adaptation of trained networks to new images by their BatchNorm statistics (inference.batchnorm=images)."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from common.config.schema import InferenceConfig

# Images that the statistics are measured on, about ten of each of 24 classes; memory grows with them.
SAMPLE = 256
# Fewer are hardly of all classes, and weigh little beside those of training.
LEAST = 10


class Adaptation(NamedTuple):
    """Whether a network was adapted, and a sentence for the user."""

    done: bool
    note: str


def adapts(inference: InferenceConfig, option: str | None) -> bool:
    """Return whether the key ``batchnorm``, or else the run, wants the statistics of the new images."""
    return (option or inference.batchnorm) == "images"


def sample_rows(count: int) -> np.ndarray:
    """Return the positions of at most SAMPLE of ``count`` images, drawn without the order of files, ascending."""
    return np.sort(np.random.default_rng(0).permutation(count)[:SAMPLE])


def adapt_to(adapt: Callable[[np.ndarray], int], images: np.ndarray) -> Adaptation:
    """Adapt a network to prepared images, uint8, shape (N, H, W, 3); ``adapt`` returns how many layers it adapted."""
    if len(images) < LEAST:
        return Adaptation(False, f"BatchNorm keeps the statistics of training: fewer than {LEAST} images can be read")
    if not adapt(images):
        return Adaptation(
            False, "BatchNorm keeps the statistics of training: the network has none, or is an ONNX graph"
        )
    note = (
        f"BatchNorm statistics: of {len(images)} of these images and of training (inference.batchnorm=images; "
        "for images of all classes: else use batchnorm=trained)"
    )
    return Adaptation(True, note)
