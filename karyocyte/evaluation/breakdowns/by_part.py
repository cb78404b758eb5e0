"""Loss and accuracy of the chosen weights on the training, validation and test images, as papers print them."""

from operator import attrgetter

import numpy as np

from karyocyte.evaluation.metrics.classification import call
from karyocyte.evaluation.pooling.labelled_runs import LabelledRuns
from karyocyte.evaluation.pooling.sections import Findings
from karyocyte.evaluation.sections.calibration import log_losses
from karyocyte.evaluation.types.result import EvaluationResult, Figures, Interval, Kind

PARTS = {"train": "train", "validation": "validation.scored", "test": "test.scored"}


def by_part(runs: LabelledRuns, _: EvaluationResult) -> Findings:
    """Return plain mean cross-entropy in nats, and accuracy at 0.5, of each part; of folds the means.

    A part is left out where a fold has no labelled images of it.
    """
    figures: Figures = {}
    for name, of_part in PARTS.items():
        losses, shares, images = [], [], 0
        for part in map(attrgetter(of_part), runs.folds):
            if part is not None and len(part.labels):
                losses.append(log_losses(part.probabilities, part.labels).mean())
                shares.append((call(part.probabilities, part.positive_index) == part.labels).mean())
                images += len(part.labels)
        if len(losses) == len(runs.folds):
            means = {"loss": float(np.mean(losses)), "accuracy": float(np.mean(shares))}
            figures[name, Kind.CHOSEN_WEIGHTS] = {metric: Interval(mean, n=images) for metric, mean in means.items()}
    return Findings(metrics=figures)
