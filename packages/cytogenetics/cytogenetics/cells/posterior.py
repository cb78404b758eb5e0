"""The probability of a cell's karyotype from the class probabilities of its chromosomes.

A cell shows n chromosomes in random order. With the counts N[k] of a karyotype, the prior P(N) of
`cytogenetics.cells.prior` and the likelihood q[i, k] of chromosome i in class k,

    P(N | images)  ~  P(N) * product over k of N[k]!  *  Z(N),    Z(N) = sum over classes c with counts N of
                                                                  the product over i of q[i, c[i]]

q is the network's probability over the share of the class that the network has learned with it: that in normal cells,
or equal ones where the classes were balanced.

Exact: the prior; the best assignment to given counts, a rectangular linear sum assignment, and what it loses where one
chromosome changes its class. Approximate: Z and the probability of each class for each chromosome, exact but for
exchanges of little weight (`cytogenetics.cells.exchanges`); and the karyotypes that are considered. Those begin
with the best of every constitution, solved exactly, and go on, from the best to the worst, with all that differ in one
chromosome, as long as they are within WINDOW of the best. Probabilities are relative to those considered: where
CANDIDATES ends the search, as in cells of which many chromosomes are missing, they are too high.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from types import MappingProxyType

import numpy as np
from cytogenetics.cells.assignment import FLOOR, size_refusal
from cytogenetics.cells.exchanges import path_costs, step_costs, sum_over_assignments
from cytogenetics.cells.prior import KaryotypePrior, KaryotypePriors, learned_shares
from cytogenetics.karyotypes.naming import Karyotype, name_karyotype
from scipy.optimize import linear_sum_assignment
from scipy.special import gammaln, logsumexp

from karyocyte.common.errors import UserError
from karyocyte.common.karyotype import CHROMOSOMES

# Karyotypes less probable than the best by more than this many nats (1 in 22,000) are not considered.
WINDOW = 10.0
# The most karyotypes that are considered, of a cell about which little is sure.
CANDIDATES = 40
# The most chromosomes of one class, but for those that an expert has fixed.
MOST = 4
# A class that an expert has ruled out, in nats: less than any sum of log-probabilities, and finite for the solver.
RULED_OUT = -1e5


@dataclass(frozen=True)
class Candidate:
    """One karyotype of a cell."""

    karyotype: Karyotype  # its name and kind
    classes: np.ndarray  # the best assignment to its counts: indices into CHROMOSOMES, int64, shape (n,)
    probability: float  # of this karyotype, 0 to 1; the candidates of a cell sum to 1

    @property
    def names(self) -> np.ndarray:
        """The names of ``classes``, such as "21" or "X", object, shape (n,)."""
        return np.asarray(np.array(CHROMOSOMES, dtype=object)[self.classes])


@dataclass(frozen=True)
class KaryotypePosterior:
    """The karyotypes of a cell and the classes of its chromosomes."""

    candidates: tuple[Candidate, ...]  # one or more, the most probable first
    # the probability of each class over all candidates and assignments, float64, shape (n, 24), in the order of
    # CHROMOSOMES; rows sum to 1
    marginals: np.ndarray

    @property
    def best(self) -> Candidate:
        """The most probable karyotype."""
        return self.candidates[0]


def karyotype_posterior(
    log_probabilities: np.ndarray,
    priors: KaryotypePriors,
    fixed: Mapping[int, int] = MappingProxyType({}),
    balanced: bool = False,
) -> KaryotypePosterior:
    """Compute the probabilities of a cell's karyotypes.

    Args:
        log_probabilities: Calibrated natural logarithms, float64, shape (n, 24), in the order of CHROMOSOMES; n from
            22 to 70. Values below log(FLOOR) count as that.
        priors: How frequent karyotypes, losses and gains are.
        fixed: The class, as an index into CHROMOSOMES, of chromosomes that an expert has named, by their row.
        balanced: Whether the network has learned equal shares of the classes, not those of normal cells.

    Raises:
        UserError: The cell has too few or too many chromosomes, see ``size_refusal``.
    """
    refusal = size_refusal(len(log_probabilities))
    if refusal:
        raise UserError(refusal)
    logs = np.maximum(log_probabilities, np.log(FLOOR)) - np.log(learned_shares(balanced))
    for row, kind in fixed.items():
        logs[row, np.arange(len(CHROMOSOMES)) != kind] = RULED_OUT
    most = int(np.bincount([*fixed.values()], minlength=1).max(initial=MOST))
    prior = KaryotypePrior.of(priors, len(logs), most)
    found = _search(logs, prior)
    counts = np.zeros((len(found), len(CHROMOSOMES)), np.int64)
    weights = np.zeros(len(found))
    marginals = np.zeros((len(found), *logs.shape))
    for number, classes in enumerate(found):
        counts[number] = np.bincount(classes, minlength=len(CHROMOSOMES))
        of_counts = sum_over_assignments(logs, classes)
        marginals[number] = of_counts.marginals
        weights[number] = of_counts.log_sum + gammaln(counts[number] + 1).sum() + prior.log_probability(counts[number])
    probabilities = np.exp(weights - logsumexp(weights))
    candidates = []
    for index in np.argsort(-probabilities, kind="stable"):
        named = name_karyotype(dict(zip(CHROMOSOMES, counts[index].tolist(), strict=True)))
        candidates.append(Candidate(named, found[index], float(probabilities[index])))
    return KaryotypePosterior(tuple(candidates), np.einsum("b,bnk->nk", probabilities, marginals))


def _search(logs: np.ndarray, prior: KaryotypePrior) -> list[np.ndarray]:
    """Return the best assignments to the most promising counts, each int64, shape (n,)."""
    scores = {}
    for constitution in range(len(prior.constitutions)):
        counts = np.bincount(_assign_to_constitution(logs, prior.tables[constitution]), minlength=len(CHROMOSOMES))
        if tuple(counts) not in scores:
            classes = _assign_to_counts(logs, counts)
            scores[tuple(counts)] = _likelihood(logs, classes, counts) + prior.log_probability(counts)
    queue = [(-score, counts) for counts, score in scores.items()]
    heapify(queue)
    best = -queue[0][0]
    solved: list[np.ndarray] = []
    while queue and len(solved) < CANDIDATES and -queue[0][0] >= best - WINDOW:
        _, key = heappop(queue)
        counts = np.array(key)
        solved.append(_assign_to_counts(logs, counts))
        moved = _scores_of_moves(logs, solved[-1], counts, prior)
        best = max(best, float(moved.max()))
        for less, more in np.argwhere(moved > best - WINDOW):
            neighbour = counts.copy()
            neighbour[less] -= 1
            neighbour[more] += 1
            key = tuple(neighbour.tolist())
            if key not in scores:
                scores[key] = float(moved[less, more])
                heappush(queue, (-scores[key], key))
    return solved


def _assign_to_constitution(logs: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Maximise the sum of ``logs`` and the log-probability of the counts in one constitution, shape (24, M).

    The j-th place of a class gains what its j-th chromosome adds to the log-probability; that decreases with j.
    """
    gains = np.diff(table, axis=1)
    kinds = np.repeat(np.arange(len(CHROMOSOMES)), gains.shape[1])
    _, selected = linear_sum_assignment(logs[:, kinds] + gains.ravel(), maximize=True)
    return np.asarray(kinds[selected])


def _assign_to_counts(logs: np.ndarray, counts: np.ndarray) -> np.ndarray:
    kinds = np.repeat(np.arange(len(CHROMOSOMES)), counts)
    _, selected = linear_sum_assignment(logs[:, kinds], maximize=True)
    return np.asarray(kinds[selected])


def _likelihood(logs: np.ndarray, classes: np.ndarray, counts: np.ndarray) -> float:
    """Return the log-likelihood of the best assignment: of the images, and of its order among those of its counts."""
    return float(logs[np.arange(len(classes)), classes].sum() + gammaln(counts + 1).sum())


def _scores_of_moves(logs: np.ndarray, classes: np.ndarray, counts: np.ndarray, prior: KaryotypePrior) -> np.ndarray:
    """Return the score of the counts with one chromosome of class a less and one of b more, shape (24 a, 24 b)."""
    paths = path_costs(step_costs(logs, classes))
    factorials = np.log(counts + 1.0) - np.log(np.maximum(counts, 1.0))[:, None]
    moved = _likelihood(logs, classes, counts) - paths + factorials + prior.of_moves(counts)
    np.fill_diagonal(moved, -np.inf)
    return np.asarray(moved)
