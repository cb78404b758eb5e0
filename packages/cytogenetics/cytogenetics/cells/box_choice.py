"""Which boxes of a picture are its chromosomes: the set that explains the picture best, and makes a probable cell.

The score of a set is a logarithm of a probability, but for a constant. It counts for each of its boxes its probability
and how sure the network is of its class; for the picture the dark pixels that are covered twice, and those that only
boxes cover which are left out; and for the cell how well the best assignment of its chromosomes fits to the prior of
karyotypes. From the likely boxes, single boxes and any two of them are taken in or left out as long as the
score rises.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations

import numpy as np
from cytogenetics.cells.assignment import FLOOR, is_normal, size_refusal
from cytogenetics.cells.prior import KaryotypePrior, KaryotypePriors, learned_shares
from scipy.optimize import linear_sum_assignment
from scipy.special import gammaln, logit

from karyocyte.common.karyotype import CHROMOSOMES

CERTAIN = 1 - 1e-6
PASSES = 4
SURE = 7.5  # score of a box by itself, in nats, from which on it is not left out; chosen on validation pictures
SHARED = 0.1  # of the smaller of two masks: from then on both boxes may change at once
FAR = 8.0  # nats by which one box is worse than another by itself, from which on it does not take its place


@dataclass(frozen=True)
class Weights:
    """What counts how much for a set, in nats; chosen on validation pictures (docs/results/metaphases.md)."""

    constant: float = -0.15  # for each box
    found: float = 1.0  # times the logit of its probability
    network: float = 1.2  # times the logarithm of the probability of its most probable class alone
    edge: float = -3.0  # for a box whose chromosome touches the edge of the picture
    twice: float = 1.7  # for a chromosome's area that is covered twice
    uncovered: float = 2.6  # for a chromosome's area that is not covered
    cell: float = 0.95  # times the score of the cell
    classes: float = 0.7  # in that, times the log-probabilities of the classes


WEIGHTS = Weights()


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

    @property
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
        ink = WEIGHTS.twice * twice + WEIGHTS.uncovered * uncovered
        return float(self.alone @ kept - ink / chromosome)

    def __call__(self, kept: np.ndarray) -> float:
        """Return the score."""
        key = kept.tobytes()
        if key not in self.scores:
            of_cell = _score_of_cell(self.log_probabilities[kept] * WEIGHTS.classes, self.priors)
            self.scores[key] = self.of_picture(kept) + WEIGHTS.cell * of_cell
        return self.scores[key]


def choose_boxes(
    boxes: Boxes, log_probabilities: np.ndarray, priors: KaryotypePriors, balanced: bool, fixed: np.ndarray
) -> dict[bytes, float]:
    """Search the sets of boxes; return the scores of those that were met: by the bytes of bool, shape (n,).

    Args:
        boxes: Of a picture.
        log_probabilities: Of the classes of each box alone, see ``karyotype_of_cell``, float64, shape (n, 24).
        priors: Of karyotypes.
        balanced: See ``karyotype_posterior``.
        fixed: Which boxes are never left out, bool, shape (n,).
    """
    logs = np.maximum(log_probabilities, np.log(FLOOR))
    evidence = logit(boxes.probabilities.clip(1 - CERTAIN, CERTAIN))
    alone = WEIGHTS.constant + WEIGHTS.found * evidence + WEIGHTS.edge * boxes.at_edge
    alone += WEIGHTS.network * logs.max(axis=1, initial=-np.inf)
    score = SetScores(boxes, logs - np.log(learned_shares(balanced)), priors, alone)
    kept = (alone > 0) | fixed
    best = score(kept)
    uncertain = np.flatnonzero((np.abs(alone) < SURE) & ~fixed)
    for _ in range(PASSES):
        before = best
        for changed in _changes(boxes, alone, kept, uncertain):
            if fixed[changed].any():
                continue
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
    for table in _tables_by_sex(priors, len(logs)):
        gains = np.diff(table, axis=1)
        kinds = np.repeat(np.arange(len(CHROMOSOMES)), gains.shape[1])
        values = logs[:, kinds] + gains.ravel()
        rows, places = linear_sum_assignment(values, maximize=True)
        counts = np.bincount(kinds[places], minlength=len(CHROMOSOMES))
        best = max(best, float(values[rows, places].sum() + table[:, 0].sum() + gammaln(counts + 1).sum()))
    return best


@lru_cache(maxsize=64)
def _tables_by_sex(priors: KaryotypePriors, chromosomes: int) -> list[np.ndarray]:
    """Return log-probabilities of m chromosomes of each class, shape (24, M), in a female and in a male.

    Each class has those of the constitution in which m are most probable, if only this class is changed in it.
    """
    prior = KaryotypePrior.of(priors, chromosomes)
    tables = []
    for normal in np.flatnonzero(is_normal(prior.constitutions)):
        changed = prior.constitutions != prior.constitutions[normal]
        table = prior.tables[normal].copy()
        for other in np.flatnonzero(changed.sum(axis=1) == 1):
            kind = int(changed[other].argmax())
            rarer = prior.log_shares[other] - prior.log_shares[normal]
            table[kind] = np.maximum(table[kind], prior.tables[other, kind] + rarer)
        table[0] += prior.log_shares[normal]
        tables.append(table)
    return tables
