"""Calibrated probabilities of the chromosomes of one cell, by a model of one network or of several."""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from common.config.data import CanvasConfig, PrepareConfig
from common.predictions import OUT_OF_DISTRIBUTION, UPSIDE_DOWN
from datamodules.inference.cell_images import CellFile, cell_scales, prepare_files
from evaluation.averaging import Combiner
from evaluation.uncertainty.calibration import EPSILON, rescale
from workflows.karyotyping.calibration import Temperatures

# Pictures of chromosomes for models that do not keep the scale themselves: the canvas, and their mean area in pixels.
PICTURE = (128, 48)
PICTURE_AREA = 800.0
UPRIGHT = "this model needs upright chromosomes, short arm on top (head.orientation=true trains one for any)"
PREPARED = 500  # files of a cell that are prepared at a time


class CellNetwork(Protocol):
    """A network that predicts each chromosome by itself.

    The karyotype's probability counts the chromosomes of each class; the context of a model would do so twice.

    Attributes:
        prepare: How its images are prepared.
        order: The columns of its probabilities in the order of CHROMOSOMES.
        turns: Whether it estimates which images are upside down.
        adapts: Whether it wants to be adapted to the images.
    """

    prepare: PrepareConfig
    order: list[int]
    turns: bool
    adapts: bool

    def adapt(self, images: np.ndarray) -> str:
        """Adapt it to prepared images, uint8 RGB, shape (N, H, W, 3); return a sentence for the user."""

    def predict(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Predict prepared images, uint8 RGB, shape (N, H, W, 3).

        Returns:
            {"probability": float64, shape (N, 24), in its own order of classes, rows sum to 1} and, where it
            ``turns``, {"upside_down": (N,)}; where it measures it, {"out_of_distribution": (N,)}.
        """


@dataclass(frozen=True, eq=False)
class CellModel:
    """A run, a portable model, or several runs as an ensemble.

    Attributes:
        name: For the user: the folders that were named.
        identity: Changes with the trained weights.
        networks: At least one.
        temperatures: That calibrate the probabilities.
        combiner: How the networks are combined; None: by their mean.
        balanced: Whether they have learned equal shares of the classes.
        seen: The part of the training's split that an image was in, by its SHA-256.
        warnings: For the user.
    """

    name: str
    identity: str
    networks: Sequence[CellNetwork]
    temperatures: Temperatures
    combiner: Combiner | None
    balanced: bool
    seen: dict[str, str]
    warnings: tuple[str, ...] = ()


class CellPrediction(NamedTuple):
    """Predictions of the N used files of a cell.

    Attributes:
        log_probabilities: Calibrated, natural logarithms, float64, shape (N, 24), in the order of CHROMOSOMES.
        upside_down: Bool, shape (N,); False where the model does not know.
        out_of_distribution: The distance from the training images over its threshold, float64, shape (N,); NaN where it
            is not measured.
    """

    log_probabilities: np.ndarray
    upside_down: np.ndarray
    out_of_distribution: np.ndarray


class CellPredictor:
    """Calibrated predictions of whole cells.

    Args:
        model: The networks and how they are combined.

    Attributes:
        notes: What limits the probabilities, in sentences.
        prepare: The preparation of the first network.
        adapts: Whether a network wants to be adapted to the images.
        balanced: Whether the networks have learned equal shares of the classes.
    """

    def __init__(self, model: CellModel) -> None:
        self._model = model
        self.balanced = model.balanced
        self.notes = list(model.temperatures.notes)
        if not all(network.turns for network in model.networks):
            self.notes.append(UPRIGHT)
        self.prepare = model.networks[0].prepare
        self.adapts = any(network.adapts for network in model.networks)

    def adapt(self, cells: Sequence[Sequence[CellFile]], pool: Executor) -> list[str]:
        """Adapt the networks that want it to the used files of some cells; return sentences for the user."""
        lines = []
        for network in self._model.networks:
            if network.adapts:
                images = [
                    prepare_files(files, cell_scales(files, network.prepare), network.prepare, pool) for files in cells
                ]
                lines.append(network.adapt(np.concatenate(images)))
        return list(dict.fromkeys(lines))

    def predict(self, files: Sequence[CellFile], pool: Executor) -> CellPrediction:
        """Predict the used files of a cell, at least one, prepared like each network's own images."""
        factors = [cell_scales(files, network.prepare) for network in self._model.networks]
        parts = []
        for first in range(0, len(files), PREPARED):
            part = slice(first, first + PREPARED)
            parts.append(self._predict_part(files[part], [factor[part] for factor in factors], pool))
        return CellPrediction(*map(np.concatenate, zip(*parts, strict=True)))

    def pictures(self, files: Sequence[CellFile], upside_down: np.ndarray, pool: Executor) -> np.ndarray:
        """Return the used files of a cell upright and at one scale: uint8 RGB on black, shape (N, H, W, 3)."""
        prepare = on_canvas(self.prepare)
        images = prepare_files(files, cell_scales(files, prepare), prepare, pool)
        images[upside_down] = images[upside_down, ::-1, ::-1]
        return images

    def _predict_part(
        self, files: Sequence[CellFile], factors: Sequence[np.ndarray], pool: Executor
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        prepared: dict[str, np.ndarray] = {}
        probabilities = []
        upside_down = [np.zeros(len(files))]
        distances = []
        temperatures = self._model.temperatures
        for network, of_network, temperature in zip(self._model.networks, factors, temperatures.members, strict=True):
            key = network.prepare.model_dump_json()
            if key not in prepared:
                prepared[key] = prepare_files(files, of_network, network.prepare, pool)
            predicted = network.predict(prepared[key])
            probabilities.append(rescale(predicted["probability"], temperature))
            if UPSIDE_DOWN in predicted:
                upside_down.append(predicted[UPSIDE_DOWN])
            distances.append(predicted.get(OUT_OF_DISTRIBUTION, np.full(len(files), np.nan)))
        logs = np.log(np.maximum(rescale(self._combine(probabilities), temperatures.combined), EPSILON))
        # The first one is used where no network estimates it.
        turned = np.asarray(np.mean(upside_down[1:] or upside_down, axis=0) > 0.5)
        return logs, turned, np.asarray(np.mean(distances, axis=0, dtype=np.float64))

    def _combine(self, probabilities: Sequence[np.ndarray]) -> np.ndarray:
        """Combine the networks' probabilities, each in its own order of classes, to one in the order of CHROMOSOMES."""
        networks = self._model.networks
        if self._model.combiner is not None:  # fitted in the order of its members, which is one
            return self._model.combiner.combine(np.stack(probabilities))[:, networks[0].order]
        ordered = [values[:, network.order] for network, values in zip(networks, probabilities, strict=True)]
        return np.asarray(np.mean(ordered, axis=0))


def on_canvas(prepare: PrepareConfig) -> PrepareConfig:
    """Return a preparation that keeps the scale of a cell's chromosomes, for pictures of them."""
    if prepare.fit == "canvas":
        return prepare
    canvas = CanvasConfig(align=True, scale_by="cell", area=PICTURE_AREA, oversize="shrink")
    without = {"clahe": False, "compact": False, "augment_at": None}
    return prepare.model_copy(update={"fit": "canvas", "size": PICTURE, "canvas": canvas, **without})
