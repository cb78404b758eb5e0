"""Loss and accuracy of the chosen weights on the training, validation and test images, as papers print them."""

from collections.abc import Sequence

import numpy as np

from evaluation.calibration import log_losses
from evaluation.core.labelled import LabelledPredictions
from evaluation.labelled_runs import LabelledRuns
from evaluation.metrics.classification import call
from evaluation.result import EvaluationResult, PartSummary
from evaluation.sections import Findings


def by_part(runs: LabelledRuns, _: EvaluationResult) -> Findings:
    """Return a summary of "train", "validation" and "test", where every fold has labelled images of the part."""
    parts: dict[str, Sequence[LabelledPredictions | None]] = {
        "train": [fold.train for fold in runs.folds],
        "validation": [fold.validation.scored for fold in runs.folds],
        "test": [fold.test.scored for fold in runs.folds],
    }
    summaries = {}
    for name, folds in parts.items():
        labelled = [fold for fold in folds if fold is not None and len(fold.labels)]
        if len(labelled) < len(folds):
            continue
        losses = [float(log_losses(fold.probabilities, fold.labels).mean()) for fold in labelled]
        shares = []
        for fold in labelled:
            right = call(fold.probabilities, fold.positive_index) == fold.labels
            shares.append(float(right.mean()))
        images = sum(len(fold.labels) for fold in labelled)
        summaries[name] = PartSummary(images, float(np.mean(losses)), float(np.mean(shares)))
    return Findings(summaries)
