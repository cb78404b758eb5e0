"""The karyotype of a cell of which some images may show no chromosome: boxes that a detector is not sure of.

A choice of boxes weighs as much as the detector's probabilities of what is kept and left out, times the evidence of its
chromosomes as one cell. Considered are the most probable boxes, of several numbers; then, from the best, all choices
that differ in one uncertain box, as long as one is better.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from scipy.special import logsumexp

from karyocyte.evaluation.cells.cell_karyotype import CellKaryotype, karyotype_of_cell
from karyocyte.evaluation.cells.prior import KaryotypePriors

MOST = 4  # uncertain boxes more or less than those that are more likely than not
SURE = 0.97  # probability from which on a box is not left out, but for the number of boxes
PASSES = 3
CERTAIN = 1 - 1e-6


def karyotype_of_boxes(
    log_probabilities: np.ndarray,
    probabilities: np.ndarray,
    priors: KaryotypePriors,
    fixed: Mapping[int, int],
    refer_below: float,
    balanced: bool,
) -> tuple[CellKaryotype, np.ndarray]:
    """Name the karyotype of a cell, and choose its chromosomes.

    Args:
        log_probabilities: See ``karyotype_of_cell``, float64, shape (n, 24).
        probabilities: That an image shows a chromosome, float64, shape (n,).
        priors: Of karyotypes.
        fixed: Classes (index into CHROMOSOMES) that an expert has fixed: these images are always kept.
        refer_below: An expert should look at karyotypes that are less probable, 0 to 1.
        balanced: See ``karyotype_posterior``.

    Returns:
        The karyotype of the best choice, whose candidates are as probable as they are together with it, and the rows of
        its images, int64.
    """
    choices = _Choices(
        log_probabilities, probabilities.clip(1 - CERTAIN, CERTAIN), priors, fixed, refer_below, balanced
    )
    choices.probabilities[list(fixed)] = CERTAIN
    order = np.argsort(-choices.probabilities, kind="stable")
    likely = int((probabilities > 0.5).sum())
    for count in range(max(likely - MOST, len(fixed), 0), min(likely + MOST, len(order)) + 1):
        choices.consider(np.sort(order[:count]))
    if not np.isfinite(choices.best_weight):  # too few or too many for a cell, whatever is left out
        return choices.cell_of(np.flatnonzero(choices.probabilities > 0.5))
    uncertain = order[(choices.probabilities[order] < SURE)][::-1]
    for _ in range(PASSES):
        before = choices.best_weight
        for row in uncertain:
            choices.consider(np.setxor1d(choices.best, [row]))
        if choices.best_weight == before:
            break
    return choices.result()


@dataclass(eq=False)
class _Choices:
    """The choices of boxes that are considered, with their weights; the first fields: see ``karyotype_of_boxes``."""

    logs: np.ndarray
    probabilities: np.ndarray
    priors: KaryotypePriors
    fixed: Mapping[int, int]
    refer_below: float
    balanced: bool
    weights: dict[bytes, float] = field(default_factory=dict)
    best: np.ndarray = field(default_factory=partial(np.zeros, 0, np.int64))
    best_weight: float = -np.inf

    def consider(self, kept: np.ndarray) -> None:
        """Weigh a choice, rows in their order, and take it where it is the best so far."""
        key = kept.tobytes()
        if key not in self.weights:
            left_out = np.delete(self.probabilities, kept)
            weight = np.log(self.probabilities[kept]).sum() + np.log1p(-left_out).sum()
            self.weights[key] = float(weight + self.cell_of(kept)[0].log_evidence)
            if self.weights[key] > self.best_weight:
                self.best, self.best_weight = kept, self.weights[key]

    def cell_of(self, kept: np.ndarray) -> tuple[CellKaryotype, np.ndarray]:
        """Return the karyotype of a choice, and the choice."""
        given = {int(np.searchsorted(kept, row)): kind for row, kind in self.fixed.items()}
        return karyotype_of_cell(self.logs[kept], self.priors, given, self.refer_below, self.balanced), kept

    def result(self) -> tuple[CellKaryotype, np.ndarray]:
        """Return the karyotype of the best choice, with probabilities among all choices, and the choice."""
        cell, kept = self.cell_of(self.best)
        share = float(np.exp(self.best_weight - logsumexp(list(self.weights.values()))))
        candidates = [replace(one, probability=one.probability * share) for one in cell.candidates]
        reasons = cell.reasons
        if share < self.refer_below:
            reasons = (f"it is uncertain whether all {len(kept)} boxes, and no others, are chromosomes", *reasons)
        return replace(cell, candidates=tuple(candidates), reasons=reasons), kept
