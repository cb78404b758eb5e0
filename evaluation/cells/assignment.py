"""Joint assignment of the chromosomes of one cell: each class has its places, so predictions depend on one another.

Let l[i, k] be the log-probability of chromosome i (of n) for class k, and b[k] the places of a normal karyotype: two
for each of 1 to 22, and two for X (XX), or one for X and one for Y (XY); 46 in all. Over the classes c[i] and the two
karyotypes, with n[k] chromosomes of class k, the assignment maximises

    sum over i of l[i, c[i]]  -  deviation_cost * sum over k of max(0, n[k] - b[k])

subject to |n[k] - b[k]| <= 1: one chromosome too many or too few of each class, so that trisomies, monosomies and
45,X, 47,XXX, 47,XXY and 47,XYY are within reach, and a lost pair is not. For each karyotype this is a rectangular
linear sum assignment of the n chromosomes to 46 places and 24 extra ones, solved exactly (Crouse, On implementing 2D
rectangular assignment algorithms, 2016, as in scipy); the better of the two is taken. Where the probabilities are
calibrated, and the cost is minus the logarithm of the odds that one class has one too many and another one too few,
this is the most probable assignment, but for the number of ways to order equal chromosomes (a nat or so).

Every chromosome is assigned, so extra places taken minus places left empty is always n - 46: a place left empty needs
no cost of its own. All classes cost the same: which aneuploidies are likely is left to the images, or to the priors of
`evaluation.cells.posterior`.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from common.config.schema import AssignmentConfig
from common.errors import UserError
from common.karyotype import AUTOSOMES, CHROMOSOMES
from common.predictions import Predictions
from common.text import counted

KARYOTYPES = {"XX": np.array([2] * len(AUTOSOMES) + [2, 0]), "XY": np.array([2] * len(AUTOSOMES) + [1, 1])}
# Below this a network's probability says no more than "not this one": 14 nats, and no chromosome is ever ruled out.
FLOOR = 1e-6
# More than any sum of log-probabilities of a cell: the first place of a class with two is filled before all others.
FIRST = 1e5
# The fewest and the most chromosomes that fit: one of each pair but the X and Y of a male, and one extra of each class.
SMALLEST = len(AUTOSOMES)
LARGEST = 46 + len(CHROMOSOMES)


def size_refusal(chromosomes: int) -> str | None:
    """Return why a cell of this size has no karyotype; None where it has."""
    if SMALLEST <= chromosomes <= LARGEST:
        return None
    fault = "is several cells: give each a folder, or a cell_id, of its own"
    if chromosomes < SMALLEST:
        fault = "is incomplete"
    return f"a cell of {counted(chromosomes, 'chromosome')} {fault}: a karyotype takes {SMALLEST} to {LARGEST}"


def assign(log_probabilities: np.ndarray, config: AssignmentConfig) -> np.ndarray:
    """Assign the chromosomes of one cell.

    Args:
        log_probabilities: Natural logarithms, float64, shape (n, 24), in the order of CHROMOSOMES; n from 22 to 70.
        config: The cost.

    Returns:
        Class indices, int64, shape (n,).

    Raises:
        UserError: Fewer or more chromosomes than a cell can have.
    """
    refused = size_refusal(len(log_probabilities))
    if refused:
        raise UserError(refused)
    candidates = [_assign_to(places, log_probabilities, config) for places in KARYOTYPES.values()]
    return max(candidates, key=lambda classes: objective(log_probabilities, classes, config))


def objective(log_probabilities: np.ndarray, classes: np.ndarray, config: AssignmentConfig) -> float:
    """Return what ``assign`` maximises, in nats, for any class indices, shape (n,); -inf where they are not allowed."""
    counts = np.bincount(classes, minlength=len(CHROMOSOMES))
    cost = np.inf
    for places in KARYOTYPES.values():
        deviation = counts - places
        if np.abs(deviation).max() <= 1:
            cost = min(cost, config.deviation_cost * (deviation > 0).sum())
    return float(log_probabilities[np.arange(len(classes)), classes].sum() - cost)


def is_normal(counts: np.ndarray) -> np.ndarray:
    """Return where counts of CHROMOSOMES, shape (..., 24), are those of 46,XX or 46,XY, bool."""
    female, male = KARYOTYPES.values()
    return np.asarray((counts == female).all(axis=-1) | (counts == male).all(axis=-1))


def assign_cells(predictions: Predictions, config: AssignmentConfig) -> np.ndarray:
    """Assign the chromosomes of every cell of one part, also those without a label.

    A cell of an impossible size keeps its most probable classes, see ``unassignable``.

    Returns:
        Indices into ``predictions.classes``, int64, shape (images,).

    Raises:
        UserError: See ``refusal``.
    """
    reason = refusal(predictions)
    if reason:
        raise UserError(f"the chromosomes of a cell cannot be assigned: {reason}")
    order = np.array(list(map(predictions.classes.index, CHROMOSOMES)))
    logs = np.log(np.maximum(predictions.probabilities[:, order], FLOOR))
    assigned = logs.argmax(axis=1)
    for rows in rows_of_cells(predictions.frame):
        if not size_refusal(len(rows)):
            assigned[rows] = assign(logs[rows], config)
    return np.asarray(order[assigned])


def unassignable(*parts: Predictions) -> int:
    """Count the cells of some parts with fewer or more chromosomes than ``assign`` takes."""
    cells = chain.from_iterable(rows_of_cells(part.frame) for part in parts)
    return len(list(filter(size_refusal, map(len, cells))))


def refusal(predictions: Predictions) -> str | None:
    """Return why the chromosomes of a run, or of a part, cannot be assigned, with the remedy; None where they can."""
    classes = set(predictions.classes)
    wrong = sorted(classes - set(CHROMOSOMES)) or sorted(set(CHROMOSOMES) - classes)
    if wrong:
        return f"the classes must be 1 to 22, X and Y, which {', '.join(wrong[:3])} does not fit"
    frame = predictions.frame
    tests = frame[frame["part"] == "test"]  # others calibrate the probabilities, with or without cells
    if len(tests) and tests["cell"].isna().all():
        return "no test image names its cell: set data.cell_column or data.cell_regex"
    protocol = predictions.about.get("protocol")
    if protocol in ("image", "paper"):
        return f"protocol={protocol} splits cells across parts: split by subject"
    # An image may be in both parts: validation images that are evaluated as a test part.
    named = frame[frame["cell"].notna()].drop_duplicates("image_id")
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


def _assign_to(places: np.ndarray, log_probabilities: np.ndarray, config: AssignmentConfig) -> np.ndarray:
    """Solve the assignment to one karyotype's 46 places and an extra one of each class."""
    kinds = np.arange(len(CHROMOSOMES))
    regular = np.repeat(kinds, places)
    # Of two places the first must be filled: |n[k] - b[k]| <= 1.
    must = np.isin(regular, np.flatnonzero(places == 2)) & (np.diff(regular, prepend=-1) != 0)
    gain = np.concatenate([FIRST * must, np.full(len(kinds), -config.deviation_cost)])
    columns = np.concatenate([regular, kinds])
    # Rows come back in their order, since there are never more chromosomes than places.
    _, selected = linear_sum_assignment(log_probabilities[:, columns] + gain, maximize=True)
    return np.asarray(columns[selected])
