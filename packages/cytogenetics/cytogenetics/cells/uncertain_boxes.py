"""The karyotype of a cell of which some images may show no chromosome: boxes that a detector is not sure of.

The most probable sets of boxes (`cytogenetics.cells.box_choice`) are weighed by their scores, and the best one
of one box less and of one more. A karyotype is as probable as it is in all of them together, and so are the classes of
a box, and whether it is a chromosome.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter

import numpy as np
from cytogenetics.cells.box_choice import Boxes, choose_boxes
from cytogenetics.cells.cell_karyotype import CellKaryotype, karyotype_of_cell, named_cell
from cytogenetics.cells.posterior import Candidate
from cytogenetics.cells.prior import KaryotypePriors
from scipy.special import softmax

CHOICES = 12  # sets that are weighed, at most
WINDOW = 7.0  # nats by which they are worse than the best, at most


@dataclass(frozen=True, eq=False)
class BoxChoice:
    """A set of boxes that may be the chromosomes of a cell."""

    kept: np.ndarray  # their rows, int64, ascending
    weight: float  # probability among the sets that are weighed


@dataclass(frozen=True)
class NamingSettings:
    """How cells are named, see ``karyotype_of_cell``."""

    priors: KaryotypePriors
    refer_below: float
    balanced: bool


def karyotype_of_boxes(
    log_probabilities: np.ndarray, boxes: Boxes, fixed: Mapping[int, int], settings: NamingSettings
) -> tuple[CellKaryotype, list[BoxChoice], np.ndarray]:
    """Name the karyotype of a cell, and choose its chromosomes.

    Args:
        log_probabilities: See ``karyotype_of_cell``, float64, shape (n, 24).
        boxes: That the images were cut out of.
        fixed: Classes (index into CHROMOSOMES) that an expert has fixed: these images are always kept.
        settings: How cells are named.

    Returns:
        The karyotype, the sets of boxes that were weighed, and the rows of its images, see ``pooled_karyotype``.
    """
    always = np.isin(np.arange(len(log_probabilities)), list(fixed))
    scores = choose_boxes(boxes, log_probabilities, settings.priors, settings.balanced, always)
    if not np.isfinite(max(scores.values())):  # too few or too many for a cell, whatever is left out
        choices = [BoxChoice(np.flatnonzero((boxes.probabilities > 0.5) | always), 1.0)]
    else:
        choices = weighed_choices(scores)
    cell, kept = pooled_karyotype(log_probabilities, choices, fixed, settings)
    return cell, choices, kept


def weighed_choices(scores: Mapping[bytes, float]) -> list[BoxChoice]:
    """Return the sets of boxes that are weighed, the best set first.

    Those are the best CHOICES within WINDOW of the best, and the best of one box less and of one more: a cell that has
    lost or gained a chromosome is weighed, however sure its boxes are.

    Args:
        scores: See ``choose_boxes``.
    """
    kept = {
        chosen: np.flatnonzero(np.frombuffer(chosen, bool)) for chosen in sorted(scores, key=lambda one: -scores[one])
    }
    best = next(iter(kept))
    weighed = [chosen for chosen in [*kept][:CHOICES] if scores[chosen] >= scores[best] - WINDOW]
    for count in (len(kept[best]) - 1, len(kept[best]) + 1):
        of_count = next((chosen for chosen, rows in kept.items() if len(rows) == count), None)
        if of_count is not None and of_count not in weighed and np.isfinite(scores[of_count]):
            weighed.append(of_count)
    weights = softmax([scores[chosen] for chosen in weighed])
    return [BoxChoice(kept[chosen], float(weight)) for chosen, weight in zip(weighed, weights, strict=True)]


def pooled_karyotype(
    log_probabilities: np.ndarray, choices: Sequence[BoxChoice], fixed: Mapping[int, int], settings: NamingSettings
) -> tuple[CellKaryotype, np.ndarray]:
    """Name the karyotype that is the most probable one over some sets of boxes.

    Returns:
        The karyotype, with candidates and classes as probable as they are over all sets, and the rows of its images:
        of the set in which it is the most probable.
    """
    cells = [_cell_of(log_probabilities, choice.kept, fixed, settings) for choice in choices]
    shares: dict[str, list[tuple[float, int, Candidate]]] = defaultdict(list)
    joint = np.zeros_like(log_probabilities)
    kept_in = np.zeros(len(log_probabilities))
    for number, (choice, cell) in enumerate(zip(choices, cells, strict=True)):
        for one in cell.candidates:
            shares[one.karyotype.iscn].append((choice.weight * one.probability, number, one))
        joint[choice.kept] += choice.weight * cell.joint
        kept_in[choice.kept] += choice.weight
    if not shares:
        return cells[0], choices[0].kept
    candidates = []
    shown = []
    for of_karyotype in shares.values():
        _, number, one = max(of_karyotype, key=itemgetter(0))
        candidates.append(replace(one, probability=sum(share for share, _, _ in of_karyotype)))
        shown.append(number)
    order = np.argsort([-one.probability for one in candidates], kind="stable")
    kept = choices[shown[order[0]]].kept
    wrong = float((1 - kept_in[kept]).sum() + np.delete(kept_in, kept).sum())
    named = named_cell(
        [candidates[number] for number in order],
        joint[kept] / kept_in[kept, None],
        log_probabilities[kept],
        _fixed_in(kept, fixed),
        settings.refer_below,
    )
    named = replace(named, boxes_wrong=wrong)
    if named.doubt_of_boxes:
        named = replace(named, reasons=(named.doubt_of_boxes, *named.reasons))
    return named, kept


def _cell_of(logs: np.ndarray, kept: np.ndarray, fixed: Mapping[int, int], settings: NamingSettings) -> CellKaryotype:
    given = _fixed_in(kept, fixed)
    return karyotype_of_cell(logs[kept], settings.priors, given, settings.refer_below, settings.balanced)


def _fixed_in(kept: np.ndarray, fixed: Mapping[int, int]) -> dict[int, int]:
    """Return the fixed classes by the rows of some images among ``kept``."""
    return {int(np.searchsorted(kept, row)): kind for row, kind in fixed.items()}
