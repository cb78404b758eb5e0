"""The karyotype of a cell of which some images may show no chromosome: boxes that a detector is not sure of.

Considered are the certain boxes, and with them the uncertain ones, one after another, the most probable first. A choice
weighs as much as the detector's probabilities of what is kept and left out, times the evidence of its chromosomes as
one cell.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from scipy.special import logsumexp

from evaluation.cells.cell_karyotype import CellKaryotype, karyotype_of_cell
from workflows.cell_settings import KaryotypeConfig

MOST = 4  # uncertain boxes more or less than those that are more likely than not
CERTAIN = 1 - 1e-6


def karyotype_of_boxes(
    log_probabilities: np.ndarray,
    probabilities: np.ndarray,
    fixed: Mapping[int, int],
    config: KaryotypeConfig,
    balanced: bool,
) -> tuple[CellKaryotype, np.ndarray]:
    """Name the karyotype of a cell, and choose its chromosomes.

    Args:
        log_probabilities: See ``karyotype_of_cell``, float64, shape (n, 24).
        probabilities: That an image shows a chromosome, float64, shape (n,).
        fixed: Classes (index into CHROMOSOMES) that an expert has fixed: these images are always kept.
        config: Priors, and below what a karyotype is referred.
        balanced: See ``karyotype_posterior``.

    Returns:
        The karyotype of the best choice, whose candidates are as probable as they are together with it, and the rows of
        its images, int64.
    """
    probabilities = probabilities.clip(1 - CERTAIN, CERTAIN)
    probabilities[list(fixed)] = CERTAIN
    order = np.argsort(-probabilities, kind="stable")
    likely = int((probabilities > 0.5).sum())
    choices = []
    weights = []
    for count in range(max(likely - MOST, len(fixed), 0), min(likely + MOST, len(order)) + 1):
        kept = np.sort(order[:count])
        given = {int(np.searchsorted(kept, row)): kind for row, kind in fixed.items()}
        cell = karyotype_of_cell(log_probabilities[kept], config, given, config.refer_below, balanced)
        choices.append((cell, kept))
        weights.append(np.log(probabilities[kept]).sum() + np.log1p(-probabilities[order[count:]]).sum())
    evidence = np.array(weights) + [cell.log_evidence for cell, _ in choices]
    if not np.isfinite(evidence).any():  # too few or too many for a cell, whatever is left out
        return choices[int(np.argmax(weights))]
    best = int(evidence.argmax())
    cell, kept = choices[best]
    share = float(np.exp(evidence[best] - logsumexp(evidence)))
    candidates = [replace(one, probability=one.probability * share) for one in cell.candidates]
    reasons = cell.reasons
    if share < config.refer_below:
        reasons = (f"it is uncertain whether all {len(kept)} boxes, and no others, are chromosomes", *reasons)
    return replace(cell, candidates=tuple(candidates), reasons=reasons), kept
