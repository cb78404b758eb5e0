"""The networks of runs for the karyotypes of cells, with torch."""

from collections.abc import Sequence

import numpy as np
import torch

from common.files import sha256_of_file, sha256_of_value
from common.karyotype import CHROMOSOMES
from common.runs.files import RunFile
from common.runs.run import Run
from evaluation.cells.cell_posteriors import is_balanced
from evaluation.intervals.pooling import merge_facts
from lightning_modules.inference import Predictor
from lightning_modules.load import load_run
from lightning_modules.out_of_distribution.file import load_out_of_distribution, refusal
from lightning_modules.trainer import set_up_torch
from workflows.adaptation import adapt_to, adapts
from workflows.karyotyping.calibration import combiner_of, fit_temperatures
from workflows.karyotyping.predictor import CellModel
from workflows.members import run_warnings, seen_parts

# The precision of a run in which its own images were predicted; float32 else.
AUTOCAST = {"bf16-mixed": torch.bfloat16}


def model_of_runs(runs: Sequence[Run], members: Sequence[Run], share: float, batchnorm: str | None = None) -> CellModel:
    """Load runs for the prediction of cells.

    Args:
        runs: Runs and ensembles, as they were named.
        members: The runs, with the members of an ensemble in place of its folder.
        share: Of the members' validation images that would be marked as out of distribution, 0 to 1.
        batchnorm: "trained" or "images" in place of the members' ``inference.batchnorm``, see `workflows.adaptation`.

    Raises:
        UserError: See ``is_balanced`` and ``load_run``.
    """
    set_up_torch()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return CellModel(
        name=", ".join(str(run.folder) for run in runs),
        identity=sha256_of_value([sha256_of_file(member.path(RunFile.PREDICTIONS)) for member in members])[:16],
        networks=[RunNetwork(member, device, share, batchnorm) for member in members],
        temperatures=fit_temperatures(runs, members),
        combiner=combiner_of(runs),
        balanced=is_balanced(merge_facts([member.predictions.about for member in members])),
        seen=seen_parts(members),
        warnings=(*run_warnings(members), *filter(None, (refusal(member, share) for member in members))),
    )


class RunNetwork:
    """The network of one run, without Monte Carlo passes; see `predictor.CellNetwork` and ``model_of_runs``."""

    def __init__(self, run: Run, device: torch.device, share: float, batchnorm: str | None = None) -> None:
        trained = load_run(run.folder)
        self.adapts = adapts(trained.config, batchnorm)
        inference = trained.config.inference.model_copy(update={"mc_passes": 0})
        self.prepare = trained.config.prepare
        self.batch_size = trained.config.loader.batch_size
        self.device = device
        # As the run itself predicted its test images.
        trainer = trained.config.trainer
        layout = torch.channels_last if trainer.channels_last else torch.contiguous_format
        predictor = Predictor(trained.classifier, inference, distance=load_out_of_distribution(run, share))
        self._predictor = predictor.eval().to(device, memory_format=layout)
        self._layout = layout
        self._autocast = AUTOCAST.get(str(trainer.precision))
        self.turns = self._predictor.turns
        self._classifier = trained.classifier
        # A run's classes are those of CHROMOSOMES in any order.
        self.order = [trained.classes.index(name) for name in CHROMOSOMES]

    def adapt(self, images: np.ndarray) -> str:
        """Adapt the network to prepared images, uint8 RGB, shape (N, H, W, 3); return a sentence for the user."""
        # In the layout channels_last, torch's variances on a CPU were measured to be off by up to 5e-4 of their value.
        self._classifier.to(memory_format=torch.contiguous_format)
        note = adapt_to(self._classifier, images).note
        self._classifier.to(memory_format=self._layout)
        return note

    def predict(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Predict prepared images, uint8 RGB, shape (N, H, W, 3); see `predictor.CellNetwork`."""
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
