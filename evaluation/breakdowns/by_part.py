"""Loss and accuracy of the chosen weights on the training, validation and test images, as papers print them."""

from collections.abc import Sequence

import numpy as np

from evaluation.calibration import log_losses
from evaluation.core.labelled import LabelledPredictions
from evaluation.labelled_runs import LabelledRuns
from evaluation.metrics.classification import call
from evaluation.result import PartSummary


def by_part(runs: LabelledRuns) -> dict[str, PartSummary]:
    """Return the summary of "train", "validation" and "test", where every fold has labelled images of the part."""
    parts: dict[str, Sequence[LabelledPredictions | None]] = {
        "train": [fold.train for fold in runs.folds],
        "validation": [fold.validation.scored for fold in runs.folds],
        "test": [fold.test.scored for fold in runs.folds],
    }
    summaries = {}
    for name, folds in parts.items():
        labelled = [fold for fold in folds if fold is not None and len(fold.labels)]
        if len(labelled) == len(folds):
            summaries[name] = _mean([_summary(fold) for fold in labelled])
    return summaries


def _summary(scored: LabelledPredictions) -> PartSummary:
    right = call(scored.probabilities, scored.positive_index) == scored.labels
    return PartSummary(len(scored.labels), float(log_losses(scored).mean()), float(right.mean()))


def _mean(folds: Sequence[PartSummary]) -> PartSummary:
    loss = float(np.mean([fold.loss for fold in folds]))
    accuracy = float(np.mean([fold.accuracy for fold in folds]))
    return PartSummary(sum(fold.images for fold in folds), loss, accuracy)
