"""The probability of a cell's karyotype from the class probabilities of its chromosomes.

A cell shows n chromosomes in random order. With the counts N[k] of a karyotype, the prior P(N) of
`KaryotypePrior` and the likelihood q[i, k] of chromosome i in class k,

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

The prior is that of a constitution, then of losses and gains of single chromosomes. A patient has a constitution
(46,XX, 47,XY,+21, 45,X ...) with the counts b[k]. Each chromosome of a cell is lost in culture or on the slide with the
same probability, and chromosomes of a neighbouring cell are added at a Poisson rate. The probability of the counts n[k]
sums over constitutions:

    P(n) = sum over constitutions c of P(c) * product over k of P(n[k] | b[c, k])

So a missing autosome is a loss, since no constitution lacks it, and 47,XY,+18 is more probable than 47,XY,+4.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from heapq import heapify, heappop, heappush
from math import comb, exp, factorial, log
from sys import float_info
from types import MappingProxyType

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import gammaln, logsumexp

from cytogenetics.cells.cell_settings import COMPLETE, KaryotypePriors
from cytogenetics.cells.exchanges import path_costs, step_costs, sum_over_assignments
from cytogenetics.karyotypes.naming import Karyotype, name_karyotype
from karyocyte.common.errors import UserError
from karyocyte.common.karyotype import AUTOSOMES, CHROMOSOMES
from karyocyte.common.text import counted

FEW_LOST = 2  # chromosomes that an ordinary loss explains: where more are missing, the cell is broken
# Below this a network's probability says no more than "not this one": 14 nats, and no chromosome is ever ruled out.
FLOOR = 1e-6
# The fewest and the most chromosomes of a cell: one of each autosome, and one extra of each class.
SMALLEST = len(AUTOSOMES)
LARGEST = 46 + len(CHROMOSOMES)
KARYOTYPES = {"XX": np.array([2] * len(AUTOSOMES) + [2, 0]), "XY": np.array([2] * len(AUTOSOMES) + [1, 1])}

# Shares of 68,159 newborns, 43,612 of them male (Randolph, Prenatal Cytogenetics, in: The Principles of Clinical
# Cytogenetics, 2005, table 1; most of them already in Hook and Hamerton, 1977).
TRISOMY = {"13": 4.4e-5, "18": 1.3e-4, "21": 1.2e-3}
RARE_TRISOMY = 1.5e-6  # of each other autosome: 2 newborns for 19 autosomes
SEX_CHROMOSOMES = {"X": 2.4e-4, "XXX": 1.1e-3, "XXY": 1.03e-3, "XYY": 1.03e-3}  # among newborns of that sex
SEXES = {"XX": 0.5, "XY": 0.5}
MOSAIC = 0.1  # share of the patients with an aneuploidy who have two clones; ours
# The mean counts of a normal cell in the order of CHROMOSOMES, float64, shape (24,).
EXPECTED = np.array([2.0] * len(AUTOSOMES) + [2.0 - SEXES["XY"], SEXES["XY"]])
# Karyotypes less probable than the best by more than this many nats (1 in 22,000) are not considered.
WINDOW = 10.0
# The most karyotypes that are considered, of a cell about which little is sure.
CANDIDATES = 40
# The most chromosomes of one class, but for those that an expert has fixed.
MOST = 4
# A class that an expert has ruled out, in nats: less than any sum of log-probabilities, and finite for the solver.
RULED_OUT = -1e5


def size_refusal(chromosomes: int) -> str | None:
    """Return why a cell of this size has no karyotype; None where it has."""
    if SMALLEST <= chromosomes <= LARGEST:
        return None
    fault = "is several cells: give each a folder, or a cell_id, of its own"
    if chromosomes < SMALLEST:
        fault = "is incomplete"
    return f"a cell of {counted(chromosomes, 'chromosome')} {fault}: a karyotype takes {SMALLEST} to {LARGEST}"


def is_normal(counts: np.ndarray) -> np.ndarray:
    """Return where counts of CHROMOSOMES, shape (..., 24), are those of 46,XX or 46,XY, bool."""
    female, male = KARYOTYPES.values()
    return np.asarray((counts == female).all(axis=-1) | (counts == male).all(axis=-1))


def learned_shares(balanced: bool) -> np.ndarray:
    """Return the shares of the classes that a network has learned, float64, shape (24,): equal ones if balanced."""
    return np.full(len(CHROMOSOMES), 1 / len(CHROMOSOMES)) if balanced else EXPECTED / COMPLETE


@dataclass(frozen=True)
class KaryotypePrior:
    """The prior of cells with a given number of chromosomes.

    Attributes:
        constitutions: Counts in the order of CHROMOSOMES, int64, shape (C, 24).
        log_shares: Their log-probabilities, float64, shape (C,).
        tables: ``tables[c, k, m]`` is the log-probability of m chromosomes of class k in constitution c, float64,
            shape (C, 24, M).
    """

    constitutions: np.ndarray
    log_shares: np.ndarray
    tables: np.ndarray

    @classmethod
    def of(cls, priors: KaryotypePriors, chromosomes: int, most: int = 4) -> "KaryotypePrior":
        """Tabulate the prior of a cell of ``chromosomes``, with at most ``most`` of a class.

        Where more than FEW_LOST are missing the cell is broken: a chromosome is then lost as often as the rest were.
        """
        constitutions, log_shares = _constitutions(priors.referral)
        loss = max(priors.loss, (COMPLETE - FEW_LOST - chromosomes) / COMPLETE)
        by_count = np.empty((int(constitutions.max()) + 1, len(CHROMOSOMES), most + 1))
        for regular in range(len(by_count)):
            for kind, of_normal in enumerate(EXPECTED):
                rate = priors.gain * float(of_normal) / COMPLETE
                for count in range(most + 1):
                    by_count[regular, kind, count] = _log_probability(count, regular, loss, rate)
        return cls(constitutions, log_shares, by_count[constitutions, np.arange(len(CHROMOSOMES))])

    def given_constitutions(self, counts: np.ndarray) -> np.ndarray:
        """Return the log-probability of counts, shape (24,), in each constitution, float64, shape (C,)."""
        return np.asarray(self.tables[:, np.arange(len(CHROMOSOMES)), counts].sum(axis=1))

    def log_probability(self, counts: np.ndarray) -> float:
        """Return the log-probability of counts, shape (24,), over all constitutions."""
        return float(logsumexp(self.given_constitutions(counts) + self.log_shares))

    def of_moves(self, counts: np.ndarray) -> np.ndarray:
        """Return ``log_probability`` with one chromosome of class a less and one of class b more, shape (24 a, 24 b).

        The result is -inf where there is no chromosome of a, or no room for one more of b.
        """
        kinds = np.arange(len(CHROMOSOMES))
        padded = np.pad(self.tables, ((0, 0), (0, 0), (1, 1)), constant_values=-np.inf)
        now = padded[:, kinds, counts + 1]
        fewer = padded[:, kinds, counts] - now
        more = padded[:, kinds, counts + 2] - now
        moved = (now.sum(axis=1) + self.log_shares)[:, None, None] + fewer[:, :, None] + more[:, None, :]
        return np.asarray(logsumexp(moved, axis=0))


def _constitutions(referral: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the counts of all constitutions, shape (C, 24), and their log-probabilities, shape (C,)."""
    counts = []
    probabilities = []
    for autosome in AUTOSOMES:
        for sex, share in SEXES.items():
            counts.append(_counts(sex, autosome))
            probabilities.append(share * referral * TRISOMY.get(autosome, RARE_TRISOMY))
    for sex, of_newborns in SEX_CHROMOSOMES.items():
        counts.append(_counts(sex))
        probabilities.append(SEXES["XY" if "Y" in sex else "XX"] * referral * of_newborns)
    normal = 1 - sum(probabilities)
    for sex, share in SEXES.items():
        counts.append(_counts(sex))
        probabilities.append(share * normal)
    return np.array(counts), np.log(np.array(probabilities) / sum(probabilities))


def _counts(sex: str, extra: str = "") -> list[int]:
    autosomes = np.full(len(AUTOSOMES), 2) + (np.array(AUTOSOMES) == extra)
    return [*autosomes.tolist(), sex.count("X"), sex.count("Y")]


def _log_probability(count: int, regular: int, loss: float, gain: float) -> float:
    """Return the log-probability of ``count`` of ``regular`` less binomial losses, plus Poisson gains."""
    total = 0.0
    for kept in range(min(count, regular) + 1):
        survive = comb(regular, kept) * (1 - loss) ** kept * loss ** (regular - kept)
        total += survive * exp(-gain) * gain ** (count - kept) / factorial(count - kept)
    # So many of a class as only an expert fixes may be less probable than any float.
    return log(max(total, float_info.min))


@lru_cache(maxsize=64)
def tables_by_sex(priors: KaryotypePriors, chromosomes: int) -> list[np.ndarray]:
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


def karyotype_posterior(
    log_probabilities: np.ndarray,
    priors: KaryotypePriors,
    fixed: Mapping[int, int] = MappingProxyType({}),
    balanced: bool = False,
) -> tuple[tuple[Candidate, ...], np.ndarray]:
    """Compute the probabilities of a cell's karyotypes, and of the classes of its chromosomes.

    Args:
        log_probabilities: Calibrated natural logarithms, float64, shape (n, 24), in the order of CHROMOSOMES; n from
            22 to 70. Values below log(FLOOR) count as that.
        priors: How frequent karyotypes, losses and gains are.
        fixed: The class, as an index into CHROMOSOMES, of chromosomes that an expert has named, by their row.
        balanced: Whether the network has learned equal shares of the classes, not those of normal cells.

    Returns:
        The karyotypes, one or more, the most probable first; and the probability of each class over all of them and
        their assignments, float64, shape (n, 24), in the order of CHROMOSOMES; rows sum to 1.

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
        log_sum, marginals[number] = sum_over_assignments(logs, classes)
        weights[number] = log_sum + gammaln(counts[number] + 1).sum() + prior.log_probability(counts[number])
    probabilities = np.exp(weights - logsumexp(weights))
    candidates = []
    for index in np.argsort(-probabilities, kind="stable"):
        named = name_karyotype(dict(zip(CHROMOSOMES, counts[index].tolist(), strict=True)))
        candidates.append(Candidate(named, found[index], float(probabilities[index])))
    return tuple(candidates), np.einsum("b,bnk->nk", probabilities, marginals)


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
    likelihood, of_moves = _likelihood(logs, classes, counts), prior.of_moves(counts)
    factorials = np.log(counts + 1.0) - np.log(np.maximum(counts, 1.0))[:, None]
    moved = likelihood - path_costs(step_costs(logs, classes)) + factorials + of_moves
    np.fill_diagonal(moved, -np.inf)
    return np.asarray(moved)
