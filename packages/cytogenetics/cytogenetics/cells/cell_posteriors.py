"""The karyotypes of the cells of a run and their probabilities, calibrated on its validation cells.

One temperature per run makes the labels of the validation chromosomes most probable: training with smoothed labels
leaves a network less confident than it is right, and a karyotype multiplies 46 such probabilities. Validation
chromosomes without an error do not tell how rare errors are: the temperature is then 1.
"""

import numpy as np
import pandas as pd

from cytogenetics.cells.assignment import refusal, rows_of_cells
from cytogenetics.cells.cell_settings import KaryotypePriors
from cytogenetics.cells.posterior import FLOOR, karyotype_posterior, size_refusal
from karyocyte.common.errors import UserError
from karyocyte.common.karyotype import CHROMOSOMES
from karyocyte.evaluation.metrics.labelled import score
from karyocyte.evaluation.metrics.temperature import fit_temperature, rescale
from karyocyte.evaluation.pooling.pooling import is_balanced
from karyocyte.runs.predictions import Predictions


def log_probabilities(predictions: Predictions, temperature: float) -> np.ndarray:
    """Return the logarithms of calibrated class probabilities, shape (n, 24), in the order of CHROMOSOMES."""
    order = list(map(predictions.classes.index, CHROMOSOMES))
    calibrated = rescale(predictions.probabilities[:, order], temperature)
    return np.asarray(np.log(np.maximum(calibrated, FLOOR)))


def assign_cells(run: Predictions) -> np.ndarray:
    """Assign each test chromosome of a run to its class in the most probable karyotype of its cell.

    A cell of an impossible size keeps its most probable classes. Where validation images are evaluated in place of the
    test part, the temperature is fitted on what it is applied to; where none can be fitted, it is 1.

    Returns:
        Indices into ``run.classes``, int64, shape (images,).

    Raises:
        UserError: See ``assignment.refusal`` and ``is_balanced``.
    """
    if reason := refusal(run):
        raise UserError(f"the chromosomes of a cell cannot be assigned: {reason}")
    test = run.part("test")
    logs = log_probabilities(test, fit_temperature(score(run.calibrating)).value or 1.0)
    balanced = is_balanced(run.about)
    order = pd.Index(run.classes).get_indexer(list(CHROMOSOMES))
    assigned = test.probabilities.argmax(axis=1)
    priors = KaryotypePriors()
    for rows in rows_of_cells(test.frame):
        if not size_refusal(len(rows)):
            assigned[rows] = order[karyotype_posterior(logs[rows], priors, balanced=balanced).best.classes]
    return np.asarray(assigned)
