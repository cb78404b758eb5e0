"""The networks of a portable model for the karyotypes of cells, without torch where it is not installed."""

import numpy as np

from common.files import sha256_of_value
from common.karyotype import CHROMOSOMES
from common.runs.portable import PortableMember, PortableModel
from evaluation.averaging import Combiner
from workflows.adaptation import adapt_to
from workflows.karyotyping.calibration import Temperatures
from workflows.karyotyping.predictor import CellModel
from workflows.members import source_warnings
from workflows.portable.networks import Network, choose_runtime, open_network

BATCH_SIZE = 64


def model_of_portable(model: PortableModel, runtime: str | None, batchnorm: str | None) -> CellModel:
    """Load a portable model for the prediction of cells.

    Args:
        model: Of the 24 chromosomes.
        runtime: "torch" or "onnx"; None: torch where it is installed.
        batchnorm: "trained" or "images" in place of the members' ``inference.batchnorm``.

    Raises:
        UserError: See `workflows.portable.networks`.
    """
    description = model.description
    facts = description.cells
    assert facts is not None  # see KaryotypeRequest.check
    name = choose_runtime(model, runtime, batchnorm)
    order = [description.classes.index(chromosome) for chromosome in CHROMOSOMES]
    networks = []
    for position, member in enumerate(description.members):
        adapts = name == "torch" and member.adapts(batchnorm)
        networks.append(PortableNetwork(open_network(model, position, name), member, order, adapts))
    combiner = description.combiner
    return CellModel(
        name=str(model.folder),
        identity=sha256_of_value([member.sha256 for member in description.members])[:16],
        networks=networks,
        temperatures=Temperatures(facts.temperatures, facts.combined, facts.notes),
        combiner=None if combiner is None else Combiner.from_dict(combiner),
        balanced=facts.balanced,
        seen=model.seen,
        warnings=(*source_warnings([member.training for member in description.members]), *description.notes),
    )


class PortableNetwork:
    """One network of a portable model; see `predictor.CellNetwork`."""

    def __init__(self, network: Network, member: PortableMember, order: list[int], adapts: bool) -> None:
        self._network = network
        self.prepare = member.prepare
        self.order = order
        self.turns = member.turns
        self.adapts = adapts

    def adapt(self, images: np.ndarray) -> str:
        """Adapt the network to prepared images, uint8 RGB, shape (N, H, W, 3); return a sentence for the user."""
        return adapt_to(self._network, images).note

    def predict(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Predict prepared images, uint8 RGB, shape (N, H, W, 3); see `predictor.CellNetwork`."""
        channels_first = images.transpose(0, 3, 1, 2)
        batches = []
        for first in range(0, len(images), BATCH_SIZE):
            batches.append(self._network.arrays(np.ascontiguousarray(channels_first[first : first + BATCH_SIZE])))
        whole = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
        probabilities = whole["probability"].astype(np.float64)
        return {**whole, "probability": probabilities / probabilities.sum(axis=1, keepdims=True)}
