"""Cells among predictions of single chromosomes: which rows are of a cell, and their classes in its karyotype.

Probabilities are calibrated on the validation chromosomes of a run: one temperature makes their labels most probable.
Training with smoothed labels leaves a network less confident than it is right, and a karyotype multiplies 46 such
probabilities. Validation chromosomes without an error do not tell how rare errors are: the temperature is then 1.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

import numpy as np
import pandas as pd

from cytogenetics.cells.cell_settings import KaryotypePriors
from cytogenetics.cells.posterior import FLOOR, karyotype_posterior, size_refusal
from karyocyte.common.errors import UserError
from karyocyte.common.karyotype import CHROMOSOMES
from karyocyte.evaluation.metrics.labelled import score
from karyocyte.evaluation.metrics.temperature import fit_temperature, rescale
from karyocyte.evaluation.pooling.pooling import is_balanced
from karyocyte.runs.predictions import VALIDATION, Predictions


def unassignable(*parts: Predictions) -> int:
    """Count the cells of some parts with fewer or more chromosomes than a karyotype can have."""
    cells = chain.from_iterable(rows_of_cells(part.frame) for part in parts)
    return len(list(filter(size_refusal, map(len, cells))))


def refusal(*runs: Predictions) -> str | None:
    """Return why the chromosomes of runs, or of parts, cannot be assigned, with the remedy; None where they can."""
    for run in runs:
        classes = set(run.classes)
        wrong = sorted(classes - set(CHROMOSOMES)) or sorted(set(CHROMOSOMES) - classes)
        if wrong:
            return f"the classes must be 1 to 22, X and Y, which {', '.join(wrong[:3])} does not fit"
        tests = run.part("test").frame  # others calibrate the probabilities, with or without cells
        if len(tests) and tests["cell"].isna().all():
            return "no test image names its cell: set data.cell_column or data.cell_regex"
        protocol = run.about.get("protocol")
        if protocol in ("image", "paper"):
            return f"protocol={protocol} splits cells across parts: split by subject"
        # An image may be in both parts: validation images that are evaluated as a test part.
        named = run.frame[run.frame["cell"].notna()].drop_duplicates("image_id")
        parts = named.groupby(["subject", "cell"], dropna=False)["part"].nunique()
        if (parts > 1).any():
            return f"cell {parts[parts > 1].index[0][1]} is split across the parts: split by subject"
    return None


def of_cells(predictions: Predictions, part: str) -> Predictions:
    """Return the images of a part that name their cell."""
    found = predictions.part(part)
    return replace(found, frame=found.frame[found.frame["cell"].notna()].reset_index(drop=True))


def numbered_cells(frame: pd.DataFrame) -> np.ndarray:
    """Number the cells of some rows, int64 in 0 to G - 1, shape (rows,); cells of two subjects are never the same."""
    return np.asarray(frame.groupby(["subject", "cell"], dropna=False, sort=False).ngroup(), np.int64)


def rows_of_cells(frame: pd.DataFrame) -> Iterator[np.ndarray]:
    """Yield the positions of the rows of each cell, int64."""
    yield from pd.Series(np.arange(len(frame))).groupby(numbered_cells(frame)).indices.values()


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
        UserError: See ``refusal`` and ``is_balanced``.
    """
    if reason := refusal(run):
        raise UserError(f"the chromosomes of a cell cannot be assigned: {reason}")
    test = run.part("test")
    # The temperature is that of the validation part, also where it is evaluated as test part.
    validation = run.part("test" if run.about.get("on") == VALIDATION else VALIDATION)
    logs = log_probabilities(test, fit_temperature(score(validation)).value or 1.0)
    balanced = is_balanced(run.about)
    order = pd.Index(run.classes).get_indexer(list(CHROMOSOMES))
    assigned = test.probabilities.argmax(axis=1)
    priors = KaryotypePriors()
    for rows in rows_of_cells(test.frame):
        if not size_refusal(len(rows)):
            candidates, _ = karyotype_posterior(logs[rows], priors, balanced=balanced)
            assigned[rows] = order[candidates[0].classes]
    return np.asarray(assigned)
