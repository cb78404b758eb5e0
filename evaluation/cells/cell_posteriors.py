"""The karyotypes of the cells of a run and their probabilities, calibrated on its validation cells.

One temperature per run makes the labels of the validation chromosomes most probable: training with smoothed labels
leaves a network less confident than it is right, and a karyotype multiplies 46 such probabilities. Validation
chromosomes without an error do not tell how rare errors are: the temperature is then 1.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from common.errors import UserError
from common.karyotype import CHROMOSOMES
from common.predictions import Predictions
from evaluation.calibration import fit_temperature, rescale
from evaluation.cells.assignment import FLOOR, refusal, rows_of_cells, size_refusal
from evaluation.cells.posterior import KaryotypePosterior, karyotype_posterior
from evaluation.cells.prior import KaryotypePriors
from evaluation.core.labelled import score


class CellPosterior(NamedTuple):
    """One cell of a part."""

    rows: np.ndarray  # int64, shape (n,)
    log_probabilities: np.ndarray  # of its chromosomes, see ``log_probabilities``
    posterior: KaryotypePosterior | None  # None for a cell of an impossible size


def chromosome_temperature(run: Predictions) -> float:
    """Fit the temperature of a run's class probabilities on its labelled validation chromosomes.

    Where these are evaluated in place of the test part, it is fitted on what it is applied to.

    Raises:
        UserError: It has too few of them.
    """
    temperature = fit_temperature(score(run.calibrating))
    if temperature.value is None:
        raise UserError(f"the probabilities of chromosomes cannot be calibrated: {temperature.reason}")
    return temperature.value


def log_probabilities(predictions: Predictions, temperature: float) -> np.ndarray:
    """Return the logarithms of calibrated class probabilities, shape (n, 24), in the order of CHROMOSOMES."""
    order = list(map(predictions.classes.index, CHROMOSOMES))
    calibrated = rescale(predictions.probabilities[:, order], temperature)
    return np.asarray(np.log(np.maximum(calibrated, FLOOR)))


def is_balanced(about: Mapping[str, Any]) -> bool:
    """Tell by its facts whether a run, or an ensemble, has learned equal shares of the classes (``balance``).

    Raises:
        UserError: Some members have and others have not.
    """
    balanced = about.get("balanced")
    values = set(map(bool, balanced if isinstance(balanced, list) else [balanced]))
    if len(values) > 1:
        raise UserError(
            "some runs were trained with balanced classes (balance=...) and others without: their probabilities "
            "cannot be averaged for a karyotype, name runs of one kind"
        )
    return values.pop()


def cell_posteriors(run: Predictions, priors: KaryotypePriors, part: str = "test") -> list[CellPosterior]:
    """Compute the karyotypes of the cells of one part of a run, also those without labels, in order of appearance.

    Raises:
        UserError: See ``assignment.refusal``, ``chromosome_temperature`` and ``is_balanced``.
    """
    reason = refusal(run)
    if reason:
        raise UserError(f"the karyotypes of cells are not computed: {reason}")
    predictions = run.part(part)
    logs = log_probabilities(predictions, chromosome_temperature(run))
    balanced = is_balanced(run.about)
    cells = []
    for rows in rows_of_cells(predictions.frame):
        posterior = None
        if not size_refusal(len(rows)):
            posterior = karyotype_posterior(logs[rows], priors, balanced=balanced)
        cells.append(CellPosterior(rows, logs[rows], posterior))
    return cells


def assign_by_karyotype(run: Predictions, priors: KaryotypePriors) -> np.ndarray:
    """Assign each test chromosome of a run to its class in the most probable karyotype of its cell.

    A cell of an impossible size keeps its most probable classes.

    Returns:
        Indices into ``run.classes``, int64, shape (images,).

    Raises:
        UserError: See ``cell_posteriors``.
    """
    order = pd.Index(run.classes).get_indexer(list(CHROMOSOMES))
    assigned = run.part("test").probabilities.argmax(axis=1)
    for cell in cell_posteriors(run, priors):
        if cell.posterior:
            assigned[cell.rows] = order[cell.posterior.best.classes]
    return np.asarray(assigned)
