"""Trained networks that are loaded to predict new images."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from datamodules.preprocessing.pipeline import PREPARE_VERSION
from karyocyte.common.errors import UserError
from karyocyte.config.data import PrepareConfig
from karyocyte.config.schema import InferenceConfig
from karyocyte.inference.models import CheckpointModel, LoadOptions, Model
from karyocyte.runs.files import RunFile
from karyocyte.runs.predicted import finite, joined_arrays
from karyocyte.runs.run import Run

if TYPE_CHECKING:
    from karyocyte.inference.torch_network import PredictionNetwork

CHECKPOINT_BATCH = 32
# Images that the statistics are measured on, about ten of each of 24 classes; memory grows with them.
SAMPLE = 256
# Fewer are hardly of all classes, and weigh little beside those of training.
LEAST = 10


@dataclass(frozen=True, eq=False)
class LoadedNetwork:
    """A network, and what it takes to predict new images by it."""

    name: str  # of the training
    network: "PredictionNetwork"  # computes prepared images
    prepare: PrepareConfig  # how they are prepared
    batch_size: int  # images that are predicted at once
    classes: tuple[str, ...]  # in the order of its probabilities
    adapts: bool = False  # whether its BatchNorm statistics are to become those of the new images
    passes: int = 0  # of Monte Carlo dropout
    notes: tuple[str, ...] = ()  # what limits it, in sentences

    def adapt(self, images: np.ndarray) -> str:
        """Adapt it to prepared images, uint8 RGB, shape (N, H, W, 3); return a sentence for the user."""
        if len(images) < LEAST:
            return f"BatchNorm keeps the statistics of training: fewer than {LEAST} images can be read"
        if not self.network.adapt_to(images):
            return "BatchNorm keeps the statistics of training: the network has none"
        return (
            f"The network adapts to these images by the BatchNorm statistics of {len(images)} of them, so that each "
            "probability depends a little on all; if they are not of all classes, set batchnorm=trained"
        )

    def predict(self, batches: Iterable[np.ndarray]) -> dict[str, np.ndarray]:
        """Return the outputs by name of batches of images, uint8 RGB (B, 3, H, W); empty without any batch.

        Raises:
            UserError: The network gives no numbers.
        """
        return finite(joined_arrays(list(map(self.network.arrays, batches))))


def load_networks(model: Model, options: LoadOptions) -> list[LoadedNetwork]:
    """Load the members of a model.

    Raises:
        UserError: A member cannot be loaded, or an export is of code that prepares images otherwise.
    """
    from lightning_modules.training.process import set_up_torch

    set_up_torch()
    if isinstance(model, CheckpointModel):
        return [_of_checkpoint(model)]
    if model.export and model.export.prepare_version != PREPARE_VERSION:
        raise UserError(
            f"{model.named} was exported by code that prepares images otherwise (version "
            f"{model.export.prepare_version}, here {PREPARE_VERSION}): use revision {model.export.revision}"
        )
    if len(model.members) > 1:
        options = replace(options, with_passes=False)  # each member has one vote
    return [_load_member(member, options=options) for member in model.members]


def _load_member(member: Run, options: LoadOptions) -> LoadedNetwork:
    from karyocyte.inference.torch_network import PredictionNetwork
    from lightning_modules.build.load import load_run
    from lightning_modules.prediction.out_of_distribution import load_out_of_distribution

    trained = load_run(member.folder)
    config = trained.config
    passes = config.inference.mc_passes if options.with_passes else 0
    share = options.out_of_distribution or config.evaluation.out_of_distribution
    path = member.checked(RunFile.OUT_OF_DISTRIBUTION)
    distance, unmarked = load_out_of_distribution(path, share)
    network = PredictionNetwork.of_run(trained, passes, distance)
    return LoadedNetwork(
        name=config.name,
        network=network,
        prepare=config.prepare,
        batch_size=config.loader.batch_size,
        classes=trained.classes,
        adapts=adapts(config.inference, options.batchnorm),
        passes=passes,
        notes=tuple(filter(None, [unmarked])),
    )


def _of_checkpoint(model: CheckpointModel) -> LoadedNetwork:
    from karyocyte.inference.torch_network import PredictionNetwork

    network = PredictionNetwork(model.classifier, InferenceConfig()).on_best_device()
    return LoadedNetwork(
        name=model.named,
        network=network,
        prepare=model.facts.preparations[0][1],
        batch_size=CHECKPOINT_BATCH,
        classes=model.facts.classes,
    )


def adapts(inference: InferenceConfig, option: str | None) -> bool:
    """Return whether the key ``batchnorm``, or else the run, wants the statistics of the new images."""
    return (option or inference.batchnorm) == "images"


def sample_rows(count: int) -> np.ndarray:
    """Return the positions of at most SAMPLE of ``count`` images, drawn without the order of files, ascending."""
    return np.sort(np.random.default_rng(0).permutation(count)[:SAMPLE])
