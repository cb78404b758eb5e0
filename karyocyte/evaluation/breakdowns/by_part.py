"""Loss and accuracy of the chosen weights on the training, validation and test images, as papers print them."""

from operator import attrgetter

import numpy as np

from karyocyte.evaluation.metrics.classification import call
from karyocyte.evaluation.pooling.labelled_runs import LabelledRuns
from karyocyte.evaluation.pooling.sections import Findings
from karyocyte.evaluation.sections.calibration import log_losses
from karyocyte.evaluation.types.result import EvaluationResult, PartSummary


def by_part(runs: LabelledRuns, _: EvaluationResult) -> Findings:
    """Return a summary of "train", "validation" and "test", where every fold has labelled images of the part."""
    summaries = {}
    for name, of_part in (("train", "train"), ("validation", "validation.scored"), ("test", "test.scored")):
        losses, shares, images = [], [], 0
        for part in map(attrgetter(of_part), runs.folds):
            if part is not None and len(part.labels):
                losses.append(log_losses(part.probabilities, part.labels).mean())
                shares.append((call(part.probabilities, part.positive_index) == part.labels).mean())
                images += len(part.labels)
        if len(losses) == len(runs.folds):
            summaries[name] = PartSummary(images, float(np.mean(losses)), float(np.mean(shares)))
    return Findings(summaries)
