"""The karyotype of a case from several of its cells, with mosaicism.

Cells of one case share its constitution, or are of two clones: `share_constitution` lets them decide together which
these are. Then changes that belong to no clone are left out: a gain must be in two cells, a loss, which often is an
artefact, in three (ISCN 2020), or in all cells of the case.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import expit, logsumexp

from cytogenetics.cells.cell_settings import COMPLETE, KaryotypePriors
from cytogenetics.cells.posterior import KARYOTYPES, MOSAIC, Candidate, KaryotypePrior, is_normal
from cytogenetics.karyotypes.naming import MARKER, name_clones, name_karyotype
from karyocyte.common.karyotype import CHROMOSOMES

# In how many cells a change must be.
CLONAL_GAIN = 2
CLONAL_LOSS = 3
# Shares of cells that the first of two clones may have: any from 0 to 1, equally probable.
CLONE_SHARES = np.arange(0.05, 1, 0.1)


@dataclass(frozen=True)
class CaseKaryotype:
    """The karyotype of a case."""

    iscn: str  # such as "46,XX" or "47,XX,+21[3]/46,XX[2]"
    clones: dict[str, int]  # the number of cells of each clone by its name, the largest first
    left_out: dict[str, int]  # the number of cells with each change that belongs to no clone, such as {"-8": 1}

    @property
    def cells(self) -> int:
        """The number of cells."""
        return sum(self.clones.values())

    @property
    def share(self) -> float:
        """The share of cells that belong to the largest clone, above 0 to 1."""
        return max(self.clones.values()) / self.cells

    def without_small_clones(self) -> "CaseKaryotype":
        """Return it with the largest clone alone."""
        largest = next(iter(self.clones))
        return CaseKaryotype(largest, {largest: self.clones[largest]}, self.left_out)


def case_karyotype(cells: Sequence[Mapping[str, int]]) -> CaseKaryotype:
    """Name the karyotype of a case.

    Args:
        cells: The number of chromosomes of each class, "1" to "22", "X" and "Y", and of MARKER, of one cell or more.
    """
    classes = (*CHROMOSOMES, MARKER)
    counts = pd.DataFrame(list(cells)).reindex(columns=list(classes)).fillna(0).to_numpy(np.int64)
    normals = [np.append(KARYOTYPES[sex], 0) for sex in ("XY", "XX")]
    regular = min(normals, key=lambda normal: np.abs(counts - normal).sum())
    changes = counts - regular
    # By how much at least so many cells differ: a change of one chromosome, and of a second one, counts by itself.
    ascending = np.sort(changes, axis=0)
    gains = np.maximum(ascending[-min(CLONAL_GAIN, len(cells))], 0)
    losses = np.minimum(ascending[min(CLONAL_LOSS, len(cells)) - 1], 0)
    clonal = np.clip(changes, losses, gains)
    clones: Counter[str] = Counter()
    for of_cell in regular + clonal:
        clones[name_karyotype(dict(zip(classes, of_cell.tolist(), strict=True))).iscn] += 1
    left_out: dict[str, int] = {}
    for sign, others in (("+", changes > clonal), ("-", changes < clonal)):
        in_cells = pd.Series(others.sum(axis=0), classes)
        left_out |= in_cells[in_cells > 0].add_prefix(sign).to_dict()
    return CaseKaryotype(name_clones(clones), dict(clones.most_common()), dict(sorted(left_out.items())))


def share_constitution(cells: Sequence[Sequence[Candidate]], priors: KaryotypePriors) -> list[tuple[Candidate, ...]]:
    """Return the candidates of the cells of one case with probabilities that take all its cells into account.

    With L(N) the likelihood of the counts N of a cell, E(c) = sum over N of P(N | c) * L(N) is its evidence for the
    constitution c. A case has one constitution, or two clones a and b of which a has the share s of the cells:

        P(c | cells)        ~  P(c) * product over cells of E(c)
        P(a, b, s | cells)  ~  P(a, b) * product over cells of (s * E(a) + (1 - s) * E(b))

    A karyotype of one cell has the mean of P(N | c) * L(N) / E(c) over the constitutions that the cell may have. So an
    aneuploidy that most cells show is probable for the others, too, and a normal cell beside them stays normal.

    Args:
        cells: The candidates of each cell, see ``karyotype_posterior``, of two cells or more.
        priors: Those with which they were computed.

    Returns:
        For each cell its candidates, the most probable first.
    """
    joint = [_log_joint(candidates, priors) for candidates in cells]
    evidence = np.array([logsumexp(log_joint, axis=0) for log_joint in joint])
    of_cells = _constitutions_of_cells(evidence, Clones.of(priors))
    shared = []
    for candidates, log_joint, of_cell, constitutions in zip(cells, joint, evidence, of_cells, strict=True):
        probabilities = np.exp(log_joint - of_cell) @ constitutions
        changed = []
        for index in np.argsort(-probabilities, kind="stable"):
            changed.append(replace(candidates[index], probability=float(probabilities[index])))
        shared.append(tuple(changed))
    return shared


@dataclass(frozen=True)
class Clones:
    """What a case may consist of, and how probable that is before its cells are looked at."""

    single: np.ndarray  # log-probability of each constitution of `KaryotypePrior` as the only one, float64, shape (C,)
    pairs: np.ndarray  # two constitutions each, int64, shape (P, 2)
    log_shares: np.ndarray  # log-probability of each pair, float64, shape (P,)

    @classmethod
    def of(cls, priors: KaryotypePriors) -> "Clones":
        """Give MOSAIC of the aneuploid cases two clones of one zygote, each drawn as constitutions are.

        So the second clone is nearly always normal. Clones with and without a Y come from one zygote only where the
        latter is 45,X.
        """
        prior = KaryotypePrior.of(priors, COMPLETE)
        male = prior.constitutions[:, CHROMOSOMES.index("Y")] > 0
        lost = ~male & (prior.constitutions[:, CHROMOSOMES.index("X")] == 1)
        normal = is_normal(prior.constitutions)
        pairs = np.argwhere(np.triu(np.ones((len(male), len(male)), bool), 1))
        one, other = pairs.T
        pairs = pairs[(male[one] == male[other]) | lost[one] | lost[other]]
        log_shares = prior.log_shares[pairs].sum(axis=1)
        log_aneuploid = logsumexp(prior.log_shares[~normal])
        log_shares += np.log(MOSAIC) + log_aneuploid - logsumexp(log_shares)
        single = prior.log_shares + np.where(normal, 0.0, np.log1p(-MOSAIC))
        return cls(single, pairs, log_shares)


def _constitutions_of_cells(evidence: np.ndarray, clones: Clones) -> np.ndarray:
    """Return the probability of each constitution for each cell, given all cells, float64, shape (cells, C).

    Args:
        evidence: log E(c) of each cell, float64, shape (cells, C).
        clones: What the case may consist of.
    """
    single = clones.single + evidence.sum(axis=0)
    mixed = np.repeat(clones.log_shares[:, None] - np.log(len(CLONE_SHARES)), len(CLONE_SHARES), axis=1)
    for of_cell in evidence:
        mixed += np.logaddexp(*_of_clones(of_cell, clones))
    log_sum = np.logaddexp(logsumexp(single), logsumexp(mixed))
    mosaics = np.exp(mixed - log_sum)
    probabilities = np.tile(np.exp(single - log_sum), (len(evidence), 1))
    for of_cell, constitutions in zip(evidence, probabilities, strict=True):
        first, second = _of_clones(of_cell, clones)
        of_first = mosaics * expit(first - second)
        np.add.at(constitutions, clones.pairs[:, 0], of_first.sum(axis=1))
        np.add.at(constitutions, clones.pairs[:, 1], (mosaics - of_first).sum(axis=1))
    return probabilities


def _of_clones(evidence: np.ndarray, clones: Clones) -> tuple[np.ndarray, np.ndarray]:
    """Return log(s * E(a)) and log((1 - s) * E(b)) of one cell, each of shape (P, shares)."""
    first, second = evidence[clones.pairs.T]
    return first[:, None] + np.log(CLONE_SHARES), second[:, None] + np.log1p(-CLONE_SHARES)


def _log_joint(candidates: Sequence[Candidate], priors: KaryotypePriors) -> np.ndarray:
    """Return log P(N | c) + log L(N), but for a constant, of the candidates of a cell, shape (candidates, C)."""
    rows = []
    for each in candidates:
        counts = np.bincount(each.classes, minlength=len(CHROMOSOMES))
        prior = KaryotypePrior.of(priors, len(each.classes), int(counts.max()))  # numbers differ with the boxes
        log_likelihood = np.log(max(each.probability, np.finfo(float).tiny)) - prior.log_probability(counts)
        rows.append(prior.given_constitutions(counts) + log_likelihood)
    return np.array(rows)
