"""The karyotype of a case from several of its cells, with mosaicism.

Cells of one case share its constitution: `share_constitution` lets them decide together which it is. Then changes that
belong to no clone are left out: a gain must be in two cells, a loss, which often is an artefact, in three (ISCN 2020),
or in all cells of the case.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logsumexp

from common.config.karyotype import KaryotypePriors
from common.karyotype import AUTOSOMES, CHROMOSOMES, name_clones, name_karyotype
from evaluation.cytogenetics.posterior import Candidate
from evaluation.cytogenetics.prior import KaryotypePrior

# In how many cells a change must be, by its sign.
CLONAL = {"+": 2, "-": 3}


@dataclass(frozen=True)
class CaseKaryotype:
    """The karyotype of a case.

    Attributes:
        iscn: Such as "46,XX" or "47,XX,+21[3]/46,XX[2]".
        clones: The number of cells of each clone by its name, the largest first.
        left_out: The number of cells with each change that belongs to no clone, such as {"-8": 1}.
    """

    iscn: str
    clones: dict[str, int]
    left_out: dict[str, int]

    @property
    def cells(self) -> int:
        """The number of cells."""
        return sum(self.clones.values())

    @property
    def share(self) -> float:
        """The share of cells that belong to the largest clone, above 0 to 1."""
        return max(self.clones.values()) / self.cells

    @property
    def mosaic(self) -> bool:
        """Whether there are several clones."""
        return len(self.clones) > 1


def case_karyotype(cells: Sequence[Counter[str]]) -> CaseKaryotype:
    """Name the karyotype of a case.

    Args:
        cells: The number of chromosomes of each class, "1" to "22", "X" and "Y", of one cell or more.
    """
    male, female = (Counter(dict.fromkeys(AUTOSOMES, 2)) + Counter(sex) for sex in ("XY", "XX"))
    regular = min(male, female, key=lambda normal: sum(len(_changes(counts, normal)) for counts in cells))
    changes = [_changes(counts, regular) for counts in cells]
    frequency: Counter[tuple[str, int]] = Counter()
    for of_cell in changes:
        frequency.update(of_cell.keys())
    kept = {change for change, count in frequency.items() if count >= min(CLONAL[change[0][0]], len(cells))}
    clones: Counter[str] = Counter()
    for of_cell in changes:
        counts = regular.copy()
        for change in kept & of_cell.keys():
            counts[change[0][1:]] += of_cell[change]
        clones[name_karyotype(counts).iscn] += 1
    left_out: Counter[str] = Counter()
    for change in frequency.keys() - kept:
        left_out[change[0]] += frequency[change]
    return CaseKaryotype(name_clones(clones), dict(clones.most_common()), dict(sorted(left_out.items())))


def share_constitution(cells: Sequence[Sequence[Candidate]], priors: KaryotypePriors) -> list[tuple[Candidate, ...]]:
    """Return the candidates of the cells of one case with probabilities that take all its cells into account.

    With L(N) the likelihood of the counts N of a cell, the constitution c of the case has the probability

        P(c | cells)  ~  P(c) * product over cells of the sum over N of P(N | c) * L(N)

    and a karyotype of one cell the mean of P(N | c) * L(N), normalised, over that. A case is a mosaic where its cells
    say so: then no constitution explains all cells but by losses and gains, which is what those are a priori.

    Args:
        cells: The candidates of each cell, see ``karyotype_posterior``.
        priors: Those with which they were computed.

    Returns:
        For each cell its candidates, the most probable first.
    """
    joint = [_log_joint(candidates, priors) for candidates in cells]
    of_constitutions = KaryotypePrior.of(priors, 46).log_shares
    for log_joint in joint:
        of_constitutions = of_constitutions + logsumexp(log_joint, axis=0)
    of_constitutions = of_constitutions - logsumexp(of_constitutions)
    shared = []
    for candidates, log_joint in zip(cells, joint, strict=True):
        given = log_joint - logsumexp(log_joint, axis=0)
        probabilities = np.exp(logsumexp(given + of_constitutions, axis=1))
        changed = [replace(each, probability=float(p)) for each, p in zip(candidates, probabilities, strict=True)]
        shared.append(tuple(sorted(changed, key=lambda candidate: -candidate.probability)))
    return shared


def _log_joint(candidates: Sequence[Candidate], priors: KaryotypePriors) -> np.ndarray:
    """Return log P(N | c) + log L(N), but for a constant, of the candidates of a cell, shape (candidates, C)."""
    counts = np.array([np.bincount(each.classes, minlength=len(CHROMOSOMES)) for each in candidates])
    prior = KaryotypePrior.of(priors, len(candidates[0].classes), int(counts.max()))
    rows = []
    for each, of_each in zip(candidates, counts, strict=True):
        log_likelihood = np.log(max(each.probability, np.finfo(float).tiny)) - prior.log_probability(of_each)
        rows.append(prior.given_constitutions(of_each) + log_likelihood)
    return np.array(rows)


def _changes(counts: Counter[str], regular: Counter[str]) -> dict[tuple[str, int], int]:
    """Return the changes of a cell, such as ("+21", 1), with what each adds to the counts.

    The number tells the first chromosome gained or lost of a class from a second one.
    """
    changes = {}
    for name in CHROMOSOMES:
        difference = counts[name] - regular[name]
        sign = 1 if difference > 0 else -1
        for number in range(abs(difference)):
            changes[f"{'+' if sign > 0 else '-'}{name}", number] = sign
    return changes
