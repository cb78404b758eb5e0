"""Calibrated probabilities of the chromosomes of one cell, by a run or by several as an ensemble."""

from collections.abc import Sequence
from concurrent.futures import Executor
from typing import NamedTuple

import numpy as np
import torch

from common.config.data import CanvasConfig, PrepareConfig
from common.karyotype import CHROMOSOMES
from common.predictions import UPSIDE_DOWN
from common.runs.run import Run
from datamodules.inference.cell_images import CellFile, cell_scales, prepare_files
from evaluation.cytogenetics.cell_posteriors import is_balanced
from evaluation.intervals.pooling import merge_facts
from evaluation.uncertainty.calibration import EPSILON, rescale
from lightning_modules.inference import Predictor
from lightning_modules.load import load_run
from workflows.adaptation import adapt_to, adapts
from workflows.karyotype.calibration import combiner_of, fit_temperatures

# Pictures of chromosomes for models that do not keep the scale themselves: the canvas, and their mean area in pixels.
PICTURE = (128, 48)
PICTURE_AREA = 800.0
UPRIGHT = "this model needs upright chromosomes, short arm on top (head.orientation=true trains one for any)"
PREPARED = 500  # files of a cell that are prepared at a time
# The precision of a run in which its own images were predicted; float32 else.
AUTOCAST = {"bf16-mixed": torch.bfloat16}


class MemberPredictor:
    """The probabilities of one run, without Monte Carlo passes.

    Attributes:
        order: The columns of its probabilities in the order of CHROMOSOMES.
    """

    def __init__(self, run: Run, device: torch.device, batchnorm: str | None = None) -> None:
        trained = load_run(run.folder)
        self.adapts = adapts(trained.config, batchnorm)
        inference = trained.config.inference.model_copy(update={"mc_passes": 0})
        self.prepare = trained.config.prepare
        self.batch_size = trained.config.loader.batch_size
        self.device = device
        # As the run itself predicted its test images.
        trainer = trained.config.trainer
        layout = torch.channels_last if trainer.channels_last else torch.contiguous_format
        self._predictor = Predictor(trained.classifier, inference).eval().to(device, memory_format=layout)
        self._layout = layout
        self._autocast = AUTOCAST.get(str(trainer.precision))
        self.turns = self._predictor.turns
        self._classifier = trained.classifier
        # A run's classes are those of CHROMOSOMES in any order.
        self.order = [trained.classes.index(name) for name in CHROMOSOMES]

    def adapt(self, images: np.ndarray) -> str:
        """Adapt the network to prepared images, uint8 RGB, shape (N, H, W, 3); return a sentence for the user."""
        return adapt_to(self._classifier, images).note

    def predict(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Predict prepared images of one cell, uint8 RGB, shape (N, H, W, 3), each without its cell.

        The karyotype's probability counts the chromosomes of each class; the context of a model would do so twice.

        Returns:
            {"probability": float64, shape (N, 24), in the run's order of classes} and, of a model with orientation,
            {"upside_down": (N,)}.
        """
        batches: list[dict[str, np.ndarray]] = []
        autocast = torch.autocast(self.device.type, self._autocast, enabled=self._autocast is not None)
        with torch.inference_mode(), autocast:
            for first in range(0, len(images), self.batch_size):
                batch = torch.from_numpy(images[first : first + self.batch_size].transpose(0, 3, 1, 2).copy())
                batch = batch.to(self.device, memory_format=self._layout).float() / 255
                predicted = self._predictor(batch)
                batches.append({name: values.float().cpu().numpy() for name, values in predicted.items()})
        whole = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
        probabilities = whole["probability"].astype(np.float64)
        return {**whole, "probability": probabilities / probabilities.sum(axis=1, keepdims=True)}


class CellPrediction(NamedTuple):
    """Predictions of the N used files of a cell.

    Attributes:
        log_probabilities: Calibrated, natural logarithms, float64, shape (N, 24), in the order of CHROMOSOMES.
        upside_down: Bool, shape (N,); False where the model does not know.
    """

    log_probabilities: np.ndarray
    upside_down: np.ndarray


class CellPredictor:
    """Calibrated predictions of whole cells, by a run or by several as an ensemble.

    Args:
        runs: Runs and ensembles, as they were named.
        members: The runs, with the members of an ensemble in place of its folder.
        batchnorm: "trained" or "images" in place of the members' ``inference.batchnorm``, see `workflows.adaptation`.

    Attributes:
        notes: What limits the probabilities, in sentences.
        prepare: The preparation of the first member.
        adapts: Whether a member wants to be adapted to the images.
        balanced: Whether the members have learned equal shares of the classes.
    """

    def __init__(self, runs: Sequence[Run], members: Sequence[Run], batchnorm: str | None = None) -> None:
        self.balanced = is_balanced(merge_facts([member.predictions.about for member in members]))
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._temperatures = fit_temperatures(runs, members)
        self._members = [MemberPredictor(member, device, batchnorm) for member in members]
        self._combiner = combiner_of(runs)
        self.notes = list(self._temperatures.notes)
        if not all(member.turns for member in self._members):
            self.notes.append(UPRIGHT)
        self.prepare = self._members[0].prepare
        self.adapts = any(member.adapts for member in self._members)

    def adapt(self, cells: Sequence[Sequence[CellFile]], pool: Executor) -> list[str]:
        """Adapt the members that want it to the used files of some cells; return sentences for the user."""
        lines = []
        for member in self._members:
            if member.adapts:
                images = [
                    prepare_files(files, cell_scales(files, member.prepare), member.prepare, pool) for files in cells
                ]
                lines.append(member.adapt(np.concatenate(images)))
        return list(dict.fromkeys(lines))

    def predict(self, files: Sequence[CellFile], pool: Executor) -> CellPrediction:
        """Predict the used files of a cell, at least one, prepared like each member's own images."""
        factors = [cell_scales(files, member.prepare) for member in self._members]
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
    ) -> tuple[np.ndarray, np.ndarray]:
        prepared: dict[str, np.ndarray] = {}
        probabilities = []
        upside_down = [np.zeros(len(files))]
        temperatures = self._temperatures
        for member, of_member, temperature in zip(self._members, factors, temperatures.members, strict=True):
            key = member.prepare.model_dump_json()
            if key not in prepared:
                prepared[key] = prepare_files(files, of_member, member.prepare, pool)
            predicted = member.predict(prepared[key])
            probabilities.append(rescale(predicted["probability"], temperature))
            if UPSIDE_DOWN in predicted:
                upside_down.append(predicted[UPSIDE_DOWN])
        logs = np.log(np.maximum(rescale(self._combine(probabilities), temperatures.combined), EPSILON))
        # The first one is used where no member estimates it.
        return logs, np.mean(upside_down[1:] or upside_down, axis=0) > 0.5

    def _combine(self, probabilities: Sequence[np.ndarray]) -> np.ndarray:
        """Combine the members' probabilities, each in its own order of classes, to one in the order of CHROMOSOMES."""
        if self._combiner is not None:  # fitted in the order of its members, which is one
            return self._combiner.combine(np.stack(probabilities))[:, self._members[0].order]
        ordered = [values[:, member.order] for member, values in zip(self._members, probabilities, strict=True)]
        return np.asarray(np.mean(ordered, axis=0))


def on_canvas(prepare: PrepareConfig) -> PrepareConfig:
    """Return a preparation that keeps the scale of a cell's chromosomes, for pictures of them."""
    if prepare.fit == "canvas":
        return prepare
    canvas = CanvasConfig(align=True, scale_by="cell", area=PICTURE_AREA, oversize="shrink")
    without = {"clahe": False, "compact": False, "augment_at": None}
    return prepare.model_copy(update={"fit": "canvas", "size": PICTURE, "canvas": canvas, **without})
