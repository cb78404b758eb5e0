"""The karyotype of a cell of which some images may show no chromosome: boxes that a detector is not sure of.

The most probable sets of boxes are weighed by their scores, and the best one of one box less and of one more. A
karyotype is as probable as it is in all of them together, and so are the classes of a box, and whether it is a
chromosome.

The score of a set is a logarithm of a probability, but for a constant. It counts for each of its boxes its probability
and how sure the network is of its class; for the picture the dark pixels that are covered twice, and those that only
boxes cover which are left out; and for the cell how well the best assignment of its chromosomes fits to the prior of
karyotypes. From the likely boxes, single boxes and any two of them are taken in or left out as long as the
score rises.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations
from operator import itemgetter

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import gammaln, logit, softmax

from cytogenetics.cells.cell_karyotype import CellKaryotype, karyotype_of_cell, named_cell
from cytogenetics.cells.cell_settings import KaryotypePriors, NamingSettings
from cytogenetics.cells.posterior import FLOOR, Candidate, learned_shares, size_refusal, tables_by_sex
from karyocyte.common.karyotype import CHROMOSOMES

CERTAIN = 1 - 1e-6
PASSES = 4
SURE = 7.5  # score of a box by itself, in nats, from which on it is not left out; chosen on validation pictures
SHARED = 0.1  # of the smaller of two masks: from then on both boxes may change at once
FAR = 8.0  # nats by which one box is worse than another by itself, from which on it does not take its place
CHOICES = 12  # sets that are weighed, at most
WINDOW = 7.0  # nats by which they are worse than the best, at most
# What counts how much for a set, in nats; chosen on validation pictures.
EACH = -0.15  # for each box
FOUND = 1.0  # times the logit of its probability
NETWORK = 1.2  # times the logarithm of the probability of its most probable class alone
AT_EDGE = -3.0  # for a box whose chromosome touches the edge of the picture
TWICE = 1.7  # for a chromosome's area that is covered twice
UNCOVERED = 2.6  # for a chromosome's area that is not covered
CELL = 0.95  # times the score of the cell
CLASSES = 0.7  # in that, times the log-probabilities of the classes

# The rows of a set of boxes, int64, ascending, and its probability among the sets that are weighed.
BoxChoice = tuple[np.ndarray, float]


@dataclass(frozen=True, eq=False)
class Boxes:
    """The boxes of a picture that may be chromosomes, with the masks of these."""

    probabilities: np.ndarray  # that a box is a chromosome, as the networks that find boxes say, float64, shape (n,)
    regions: np.ndarray  # parts of the picture that lie in the same masks: in which of them, bool, shape (m, n)
    pixels: np.ndarray  # of each part, int64, shape (m,)
    at_edge: np.ndarray  # whether a mask touches the edge of the picture, bool, shape (n,)

    @classmethod
    def apart(cls, probabilities: np.ndarray) -> "Boxes":
        """Return those of images that share no pixel."""
        count = len(probabilities)
        return cls(probabilities, np.eye(count, dtype=bool), np.ones(count, np.int64), np.zeros(count, bool))

    def of(self, rows: np.ndarray) -> "Boxes":
        """Return some of the boxes."""
        return Boxes(self.probabilities[rows], self.regions[:, rows], self.pixels, self.at_edge[rows])

    @cached_property
    def areas(self) -> np.ndarray:
        """The pixels of each mask, int64, shape (n,)."""
        return np.asarray(self.pixels @ self.regions)


@dataclass(eq=False)
class SetScores:
    """The scores of sets of boxes, bool, shape (n,); each is computed once."""

    boxes: Boxes
    log_probabilities: np.ndarray  # of the classes over their shares, float64, shape (n, 24)
    priors: KaryotypePriors
    alone: np.ndarray  # what speaks for each box by itself, float64, shape (n,)
    scores: dict[bytes, float] = field(default_factory=dict)

    def of_picture(self, kept: np.ndarray) -> float:
        """Return the score without that of the cell."""
        covered = self.boxes.regions @ kept.astype(np.int64)
        twice = self.boxes.pixels @ np.maximum(covered - 1, 0)
        uncovered = self.boxes.pixels @ (covered == 0)
        areas = self.boxes.areas
        chromosome = max(float(np.median(areas[self.boxes.probabilities > 0.5])), 1.0)
        ink = TWICE * twice + UNCOVERED * uncovered
        return float(self.alone @ kept - ink / chromosome)

    def __call__(self, kept: np.ndarray) -> float:
        """Return the score."""
        key = kept.tobytes()
        if key not in self.scores:
            of_cell = _score_of_cell(self.log_probabilities[kept] * CLASSES, self.priors)
            self.scores[key] = self.of_picture(kept) + CELL * of_cell
        return self.scores[key]


def choose_boxes(boxes: Boxes, log_probabilities: np.ndarray, settings: NamingSettings) -> dict[bytes, float]:
    """Search the sets of boxes; return the scores of those that were met: by the bytes of bool, shape (n,).

    Args:
        boxes: Of a picture.
        log_probabilities: Of the classes of each box alone, see ``karyotype_of_cell``, float64, shape (n, 24).
        settings: How cells are named.
    """
    logs = np.maximum(log_probabilities, np.log(FLOOR))
    evidence = logit(boxes.probabilities.clip(1 - CERTAIN, CERTAIN))
    alone = EACH + FOUND * evidence + AT_EDGE * boxes.at_edge
    alone += NETWORK * logs.max(axis=1, initial=-np.inf)
    score = SetScores(boxes, logs - np.log(learned_shares(settings.balanced)), settings.priors, alone)
    kept = alone > 0
    best = score(kept)
    uncertain = np.flatnonzero(np.abs(alone) < SURE)
    for _ in range(PASSES):
        before = best
        for changed in _changes(boxes, alone, kept, uncertain):
            other = kept.copy()
            other[changed] ^= True
            if score(other) > best:
                kept, best = other, score(other)
        if best == before:
            break
    return score.scores


def _changes(boxes: Boxes, alone: np.ndarray, kept: np.ndarray, uncertain: np.ndarray) -> Iterator[list[int]]:
    """Yield boxes to take in or leave out: each uncertain one, those that share a part, and one for another."""
    for row in uncertain:
        yield [row]
    likely = set(uncertain.tolist())
    shared = boxes.regions.T.astype(np.int64) @ (boxes.regions * boxes.pixels[:, None])
    smaller = np.minimum(boxes.areas[:, None], boxes.areas).clip(1)
    for one, other in combinations(range(len(alone)), 2):
        if shared[one, other] > SHARED * smaller[one, other] and likely & {one, other}:
            yield [one, other]
    for one in np.flatnonzero(kept).tolist():
        for other in np.flatnonzero(~kept).tolist():
            if one in likely and alone[other] - alone[one] > -FAR:
                yield [one, other]


def _score_of_cell(logs: np.ndarray, priors: KaryotypePriors) -> float:
    """Return the log-probability of the best assignment to the counts of a cell, by the more probable sex."""
    if size_refusal(len(logs)):
        return -np.inf
    best = -np.inf
    for table in tables_by_sex(priors, len(logs)):
        gains = np.diff(table, axis=1)
        kinds = np.repeat(np.arange(len(CHROMOSOMES)), gains.shape[1])
        values = logs[:, kinds] + gains.ravel()
        rows, places = linear_sum_assignment(values, maximize=True)
        counts = np.bincount(kinds[places], minlength=len(CHROMOSOMES))
        best = max(best, float(values[rows, places].sum() + table[:, 0].sum() + gammaln(counts + 1).sum()))
    return best


def karyotype_of_boxes(
    log_probabilities: np.ndarray, boxes: Boxes, settings: NamingSettings
) -> tuple[CellKaryotype, np.ndarray]:
    """Name the karyotype of a cell, and choose its chromosomes.

    Args:
        log_probabilities: See ``karyotype_of_cell``, float64, shape (n, 24).
        boxes: That the images were cut out of.
        settings: How cells are named.

    Returns:
        The karyotype, and the rows of its images, see ``pooled_karyotype``.
    """
    scores = choose_boxes(boxes, log_probabilities, settings)
    if not np.isfinite(max(scores.values())):  # too few or too many for a cell, whatever is left out
        choices = [(np.flatnonzero(boxes.probabilities > 0.5), 1.0)]
    else:
        choices = weighed_choices(scores)
    return pooled_karyotype(log_probabilities, choices, settings)


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
    return [(kept[chosen], float(weight)) for chosen, weight in zip(weighed, weights, strict=True)]


def pooled_karyotype(
    log_probabilities: np.ndarray, choices: Sequence[BoxChoice], settings: NamingSettings
) -> tuple[CellKaryotype, np.ndarray]:
    """Name the karyotype that is the most probable one over some sets of boxes.

    Returns:
        The karyotype, with candidates and classes as probable as they are over all sets, and the rows of its images:
        of the set in which it is the most probable.
    """
    cells = [karyotype_of_cell(log_probabilities[rows], {}, settings) for rows, _ in choices]
    shares: dict[str, list[tuple[float, int, Candidate]]] = defaultdict(list)
    joint = np.zeros_like(log_probabilities)
    kept_in = np.zeros(len(log_probabilities))
    for number, ((rows, weight), cell) in enumerate(zip(choices, cells, strict=True)):
        for one in cell.candidates:
            shares[one.karyotype.iscn].append((weight * one.probability, number, one))
        joint[rows] += weight * cell.joint
        kept_in[rows] += weight
    if not shares:
        return cells[0], choices[0][0]
    candidates = []
    shown = []
    for of_karyotype in shares.values():
        _, number, one = max(of_karyotype, key=itemgetter(0))
        candidates.append(replace(one, probability=sum(share for share, _, _ in of_karyotype)))
        shown.append(number)
    order = np.argsort([-one.probability for one in candidates], kind="stable")
    kept, _ = choices[shown[order[0]]]
    wrong = float((1 - kept_in[kept]).sum() + np.delete(kept_in, kept).sum())
    named = named_cell(
        [candidates[number] for number in order],
        joint[kept] / kept_in[kept, None],
        log_probabilities[kept],
        settings.refer_below,
    )
    return replace(named, boxes_wrong=wrong, of_boxes=True), kept
