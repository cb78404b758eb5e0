"""The model that names cells: its networks, adapted to new cells, and their calibrated probabilities of one cell."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cytogenetics.cells.cell_settings import NamingSettings
from cytogenetics.cells.cell_thresholds import referral_thresholds
from cytogenetics.cells.temperatures import fit_temperatures
from cytogenetics.images.cell_images import CellFile, prepare_files, read_cell, used_files
from cytogenetics.images.cells import Cell
from cytogenetics.karyotypes.referral_thresholds import CellThresholds
from cytogenetics.karyotyping.karyotype_request import KaryotypeRequest
from cytogenetics.trained.pictures import Calibration, cell_facts
from karyocyte.common.karyotype import CHROMOSOMES
from karyocyte.config.data import CanvasConfig, PrepareConfig
from karyocyte.evaluation.metrics.temperature import EPSILON, rescale
from karyocyte.evaluation.pooling.averaging import Combiner
from karyocyte.inference.models import LoadOptions
from karyocyte.inference.networks import SAMPLE, LoadedNetwork, load_networks, sample_rows
from karyocyte.runs.predictions import OUT_OF_DISTRIBUTION, UPSIDE_DOWN

if TYPE_CHECKING:
    from cytogenetics.metaphases.box_finder import BoxFinder

# Pictures of chromosomes for models that do not keep the scale themselves: the canvas, and their mean area in pixels.
PICTURE = (128, 48)
PICTURE_AREA = 800.0
UPRIGHT = "this model needs upright chromosomes, short arm on top (head.orientation=true trains one for any)"


class CellPrediction(NamedTuple):
    """Predictions of the N used files of a cell."""

    log_probabilities: np.ndarray  # calibrated, natural logarithms, float64, shape (N, 24), in the order of CHROMOSOMES
    upside_down: np.ndarray  # bool, shape (N,); False where the model does not know
    # the distance from the training images over its threshold, float64, shape (N,); NaN where it is not measured
    out_of_distribution: np.ndarray


NO_FILES = CellPrediction(np.zeros((0, len(CHROMOSOMES))), np.zeros(0, bool), np.zeros(0))


@dataclass(frozen=True, eq=False)
class CellModel:
    """Networks, and what makes their probabilities those of the chromosomes of a cell.

    Each chromosome is predicted by itself.
    """

    networks: Sequence[LoadedNetwork]  # at least one
    calibration: Calibration  # of the probabilities
    combiner: Combiner | None  # how the networks are combined; None: by their mean
    naming: NamingSettings  # how karyotypes are named from the probabilities
    thresholds: CellThresholds = CellThresholds()  # above what a cell is referred
    finder: "BoxFinder | None" = None  # of the chromosomes in pictures of metaphases; None of single chromosomes

    @classmethod
    def load(cls, request: KaryotypeRequest, of_metaphases: bool) -> "CellModel":
        """Load the model that a request has opened, for pictures of metaphases with the networks of these.

        Raises:
            UserError: See ``is_balanced`` and `karyocyte.inference.networks`; or a network of pictures is damaged.
        """
        config, opened = request.config, request.model
        fitted = cell_facts(opened) or fit_temperatures(opened)
        finder, batchnorm = None, config.batchnorm
        if of_metaphases:
            from cytogenetics.metaphases.box_finder import BoxFinder  # here: single chromosomes need no torch

            finder = BoxFinder.load(*request.pictures)
            batchnorm = batchnorm or "trained"  # as the cases of metaphases were measured: no picture changes another
        return cls(
            load_networks(opened, LoadOptions(batchnorm=batchnorm, out_of_distribution=config.share_of_files)),
            fitted,
            None if opened.facts.combiner is None else Combiner.from_dict(opened.facts.combiner),
            NamingSettings(config, config.refer_below, fitted.balanced),
            referral_thresholds(opened, config, of_metaphases),
            finder,
        )

    @property
    def notes(self) -> list[str]:
        """What limits the probabilities, in sentences."""
        notes: list[str] = []
        for network in self.networks:
            notes += network.notes
        notes += self.calibration.notes
        if not all(network.network.turns for network in self.networks):
            notes.append(UPRIGHT)
        return [*notes, self.thresholds.note] if self.thresholds.note else notes

    @cached_property
    def prepare(self) -> PrepareConfig:
        """The preparation of the first network."""
        return self.networks[0].prepare

    def adapt(self, cells: Sequence[Cell], pool: Executor) -> list[str]:
        """Adapt the networks that want it to some of the cells; return sentences for the user."""
        adapting = [network for network in self.networks if network.adapts]
        sample = sample_of_cells(cells, self.prepare, pool) if adapting else []
        lines = []
        for network in adapting if sample else ():
            images = [prepare_files(files, network.prepare, pool) for files in sample]
            lines.append(network.adapt(np.concatenate(images)))
        return list(dict.fromkeys(lines))

    def predict(self, files: Sequence[CellFile], pool: Executor) -> CellPrediction:
        """Predict the used files of a cell, prepared like each network's own images."""
        if not files:
            return NO_FILES
        prepared: dict[str, np.ndarray] = {}
        probabilities = []
        upside_down = []
        distances = []
        for network, temperature in zip(self.networks, self.calibration.temperatures, strict=True):
            key = network.prepare.model_dump_json()
            if key not in prepared:
                prepared[key] = prepare_files(files, network.prepare, pool)
            predicted = network.predict(_batches(prepared[key], network.batch_size))
            exact = predicted["probability"].astype(np.float64)  # where the sums of rows are 1
            probabilities.append(rescale(exact / exact.sum(axis=1, keepdims=True), temperature))
            if UPSIDE_DOWN in predicted:
                upside_down.append(predicted[UPSIDE_DOWN])
            distances.append(predicted.get(OUT_OF_DISTRIBUTION, np.full(len(files), np.nan)))
        logs = np.log(np.maximum(rescale(self._combine(probabilities), self.calibration.combined), EPSILON))
        turned = np.asarray(np.mean(upside_down or [np.zeros(len(files))], axis=0) > 0.5)
        return CellPrediction(logs, turned, np.asarray(np.mean(distances, axis=0, dtype=np.float64)))

    def pictures(self, files: Sequence[CellFile], upside_down: np.ndarray, pool: Executor) -> np.ndarray:
        """Return the used files of a cell upright and at one scale: uint8 RGB on black, shape (N, H, W, 3)."""
        images = prepare_files(files, on_canvas(self.prepare), pool)
        images[upside_down] = images[upside_down, ::-1, ::-1]
        return images

    def _combine(self, probabilities: Sequence[np.ndarray]) -> np.ndarray:
        """Combine the networks' probabilities, each in its own order of classes, to one in the order of CHROMOSOMES."""
        ordered = []
        for network, values in zip(self.networks, probabilities, strict=True):
            order = list(map(network.classes.index, CHROMOSOMES))
            ordered.append(values[:, order])
        if self.combiner is not None:
            return self.combiner.combine(np.stack(ordered))
        return np.asarray(np.mean(ordered, axis=0))


def sample_of_cells(cells: Sequence[Cell], prepare: PrepareConfig, pool: Executor) -> list[list[CellFile]]:
    """Return the used files of cells that are drawn at random, of each cell by itself; at most SAMPLE together."""
    filled = [number for number, cell in enumerate(cells) if cell.files]
    sample: list[list[CellFile]] = []
    wanted = SAMPLE
    for number in np.random.default_rng(0).permutation(filled):
        files = [cells[number].files[row] for row in sample_rows(len(cells[number].files))]
        used = used_files(read_cell(replace(cells[number], files=tuple(files)), prepare, pool))
        if used:
            sample.append(used[:wanted])
            wanted -= len(sample[-1])
        if not wanted:
            break
    return sample


def _batches(images: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Yield images, uint8 RGB, shape (N, H, W, 3), as batches of shape (B, 3, H, W)."""
    for first in range(0, len(images), size):
        yield images[first : first + size].transpose(0, 3, 1, 2).copy()


def on_canvas(prepare: PrepareConfig) -> PrepareConfig:
    """Return a preparation that keeps the scale of a cell's chromosomes, for pictures of them."""
    if prepare.fit == "canvas":
        return prepare
    canvas = CanvasConfig(scale_by="cell", area=PICTURE_AREA, oversize="shrink")
    without = {"clahe": False, "augment_at": None}
    return prepare.model_copy(update={"fit": "canvas", "size": PICTURE, "canvas": canvas, **without})
