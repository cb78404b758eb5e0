"""The verdict on a case from its cells: its karyotype, with mosaicism, how probable it is, and what is left to do.

Cells of one case share its constitution, or are of two clones: `case_posterior` lets them decide together which these
are. Then cells with a change that belongs to no clone are left out: a gain must be in two cells, a loss, which often is
an artefact, in three (ISCN 2020, the nomenclature of karyotypes), or in all cells of the case.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit, logsumexp

from cytogenetics.cells.cell_settings import COMPLETE, KaryotypePriors
from cytogenetics.cells.posterior import KARYOTYPES, MOSAIC, Candidate, KaryotypePrior, is_normal
from cytogenetics.karyotypes.naming import MARKER, NORMAL_KARYOTYPES, name_clones, name_karyotype
from cytogenetics.karyotypes.referral_thresholds import CellThresholds
from karyocyte.common.karyotype import CHROMOSOMES
from karyocyte.common.text import counted

# In how many cells a change must be.
CLONAL_GAIN = 2
CLONAL_LOSS = 3
# Shares of cells that the first of two clones may have: any from 0 to 1, equally probable.
CLONE_SHARES = np.arange(0.05, 1, 0.1)
CLASSES = (*CHROMOSOMES, MARKER)
MOST_CELLS = 10  # further cells that are asked for
SIGNED = 2  # cells that a person looks at to sign a karyotype
SETTLED = "settled"


@dataclass(frozen=True)
class CaseKaryotype:
    """The karyotype of a case."""

    iscn: str  # such as "46,XX" or "47,XX,+21[3]/46,XX[2]"
    cells: int  # their number
    clones: dict[str, int]  # the number of cells of each clone by its name, the largest first
    left_out: dict[str, int]  # the number of cells with a change that belongs to no clone, such as {"45,XX,-8": 1}
    needed: int  # of cells that its changes have to be in (ISCN 2020), which a case of few cells does not have

    @property
    def not_clonal(self) -> str:
        """The cells with a change that belongs to no clone, such as "47,XYY in 1, 45,XY,-8 in 2"."""
        return ", ".join(f"{iscn} in {cells}" for iscn, cells in self.left_out.items())

    @property
    def weakness(self) -> str:
        """That a change is in fewer cells than a clone has; "" where it is not so."""
        if self.cells >= self.needed:
            return ""
        rule = f"a clone needs {CLONAL_GAIN} cells with a gain, or {CLONAL_LOSS} with a loss (ISCN)"
        return f"{self.iscn} rests on {counted(self.cells, 'cell')}; {rule}"


def case_karyotype(
    cells: Sequence[Mapping[str, int]], constitutions: Sequence[Mapping[str, int]] | None = None
) -> CaseKaryotype:
    """Name the karyotype of a case.

    Args:
        cells: The number of chromosomes of each class, "1" to "22", "X" and "Y", and of MARKER, of one cell or more.
        constitutions: Those of the constitution that each cell most probably has, where this is known: a case of fewer
            cells than a change must be in has the change only if its constitution has it.
    """
    counts = _table(cells)
    clonal = counts
    if constitutions is not None:
        regular = _table(constitutions)
        clonal = regular + _in_cells(counts - regular, CLONAL_GAIN, CLONAL_LOSS)
    normals = [np.append(KARYOTYPES[sex], 0) for sex in ("XY", "XX")]
    normal = min(normals, key=lambda normal: np.abs(clonal - normal).sum())
    clonal = normal + _in_cells(clonal - normal, min(CLONAL_GAIN, len(cells)), min(CLONAL_LOSS, len(cells)))
    needed = CLONAL_LOSS if (clonal < normal).any() else CLONAL_GAIN if (clonal > normal).any() else 1
    clones: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    for of_cell, of_clone in zip(counts, clonal, strict=True):
        own, clone = _name(of_cell), _name(of_clone)
        left_out[own] += own != clone
        # A cell with a change of its own is no normal one. In an abnormal clone, or in doubt, it is where it fits best.
        clones[clone] += own == clone or clone not in NORMAL_KARYOTYPES or constitutions is not None
    clones, left_out = +clones or clones, +left_out  # without those of no cell
    of_clones = dict(clones.most_common())
    return CaseKaryotype(name_clones(clones), len(cells), of_clones, dict(sorted(left_out.items())), needed)


def _name(counts: np.ndarray) -> str:
    """Name the karyotype of counts of CLASSES."""
    return name_karyotype(dict(zip(CLASSES, counts.tolist(), strict=True))).iscn


def _table(cells: Sequence[Mapping[str, int]]) -> np.ndarray:
    """Return counts of CLASSES, int64, shape (cells, 25)."""
    return np.array([[cell.get(name, 0) for name in CLASSES] for cell in cells], np.int64)


def _in_cells(changes: np.ndarray, gain: int, loss: int) -> np.ndarray:
    """Return the changes of the counts of cells, shape (cells, 25), that so many have: gains, and losses.

    A change of one chromosome, and of a second one, counts by itself.
    """
    ascending = np.sort(changes, axis=0)
    gains = np.maximum(ascending[-gain], 0) if gain <= len(changes) else 0
    losses = np.minimum(ascending[loss - 1], 0) if loss <= len(changes) else 0
    return np.asarray(np.clip(changes, losses, gains))


@dataclass(frozen=True, eq=False)
class CaseCell:
    """What a cell says of its case."""

    name: str
    candidates: Sequence[Candidate]  # its karyotypes, see ``karyotype_posterior``, the most probable first
    log_joint: np.ndarray  # log P(N | c) + log L(N), but for a constant, float64, shape (candidates, C)
    distance: float = float("nan")  # mean distance of its images from the training images; NaN: not measured
    unlike: str | None = None  # how it differs from the cells that the thresholds were chosen on: they do not hold

    @classmethod
    def of(
        cls, name: str, candidates: Sequence[Candidate], priors: KaryotypePriors, distance: float = float("nan")
    ) -> "CaseCell":
        """Make one from its candidates and the priors with which they were computed."""
        log_probabilities, given, priors_of_counts = [], [], []
        for each in candidates:
            counts = np.bincount(each.classes, minlength=len(CHROMOSOMES))
            prior = _prior(priors, len(each.classes), int(counts.max()))  # numbers differ with the boxes
            given.append(prior.given_constitutions(counts))
            log_probabilities.append(np.log(max(each.probability, np.finfo(float).tiny)))
            priors_of_counts.append(given[-1] + prior.log_shares)
        log_likelihood = np.array(log_probabilities) - logsumexp(priors_of_counts, axis=1)
        return cls(name, candidates, np.array(given) + log_likelihood[:, None], distance)

    @cached_property
    def evidence(self) -> np.ndarray:
        """Log E(c) of each constitution, see ``case_posterior``, float64, shape (C,)."""
        return np.asarray(logsumexp(self.log_joint, axis=0))

    @property
    def iscn(self) -> str:
        """Its karyotype by itself."""
        return self.candidates[0].karyotype.iscn

    def given(self, constitutions: np.ndarray) -> Candidate:
        """Return its most probable karyotype, given the probabilities of its constitutions, shape (C,)."""
        probabilities = np.exp(self.log_joint - self.evidence) @ constitutions
        best = int(probabilities.argmax())
        return replace(self.candidates[best], probability=float(probabilities[best]))


_prior = lru_cache(maxsize=256)(KaryotypePrior.of)


@dataclass(frozen=True, eq=False)
class Clones:
    """What a case may consist of, and how probable that is before its cells are looked at."""

    constitutions: np.ndarray  # counts of CHROMOSOMES, int64, shape (C, 24)
    names: tuple[str, ...]  # their karyotypes
    single: np.ndarray  # log-probability of each constitution as the only one, float64, shape (C,)
    pairs: np.ndarray  # two constitutions each, int64, shape (P, 2)
    log_shares: np.ndarray  # log-probability of each pair, float64, shape (P,)

    @classmethod
    @lru_cache(maxsize=8)
    def of(cls, priors: KaryotypePriors) -> "Clones":
        """Let a share MOSAIC of the aneuploid cases have two clones of one fertilised egg, both drawn by the prior.

        So the second clone is nearly always normal. Clones with and without a Y come from one egg only where the
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
        names = tuple(
            name_karyotype(dict(zip(CHROMOSOMES, counts, strict=True))).iscn for counts in prior.constitutions.tolist()
        )
        return cls(prior.constitutions, names, single, pairs, log_shares)


class Constitution(NamedTuple):
    """What a case may consist of: one constitution or two clones."""

    iscn: str  # such as "47,XX,+21" or "47,XX,+21/46,XX"
    probability: float  # given all cells
    members: np.ndarray  # the one or two of `Clones.constitutions`, int64


@dataclass(frozen=True, eq=False)
class CasePosterior:
    """How probable it is what a case consists of, given all its cells."""

    single: np.ndarray  # each constitution as the only one, float64, shape (C,)
    mosaics: np.ndarray  # each pair of `Clones`, float64, shape (P,); all sum to 1
    of_cells: np.ndarray  # each constitution for each cell, float64, shape (cells, C)

    def most_probable(self, clones: Clones) -> list[Constitution]:
        """Return the two most probable of all that the case may consist of."""
        probabilities = np.concatenate([self.single, self.mosaics])
        found = []
        for number in np.argsort(-probabilities, kind="stable")[:2]:
            pair = number - len(self.single)
            members = np.array([number]) if pair < 0 else clones.pairs[pair]
            names = sorted((clones.names[member] for member in members), key=lambda iscn: iscn in NORMAL_KARYOTYPES)
            found.append(Constitution("/".join(names), float(probabilities[number]), members))
        return found

    def of_each_cell(self, members: np.ndarray) -> np.ndarray:
        """Return which of the members of a constitution each cell most probably has, int64, shape (cells,)."""
        return np.asarray(members[self.of_cells[:, members].argmax(axis=1)])


def case_posterior(evidence: np.ndarray, clones: Clones) -> CasePosterior:
    """Return how probable it is what a case consists of.

    With L(N) the likelihood of the counts N of a cell, E(c) = sum over N of P(N | c) * L(N) is its evidence for the
    constitution c. A case has one constitution, or two clones a and b of which a has the share s of the cells:

        P(c | cells)        ~  P(c) * product over cells of E(c)
        P(a, b, s | cells)  ~  P(a, b) * product over cells of (s * E(a) + (1 - s) * E(b))

    A karyotype of one cell has the mean of P(N | c) * L(N) / E(c) over the constitutions that the cell may have. So an
    aneuploidy that most cells show is probable for the others, too, and a normal cell beside them stays normal.

    Args:
        evidence: log E(c) of each cell, float64, shape (cells, C).
        clones: What the case may consist of.
    """
    single = clones.single + evidence.sum(axis=0)
    mixed = np.repeat(clones.log_shares[:, None] - np.log(len(CLONE_SHARES)), len(CLONE_SHARES), axis=1)
    of_clones = [_of_clones(of_cell, clones) for of_cell in evidence]
    for first, second in of_clones:
        mixed += np.logaddexp(first, second)
    log_sum = np.logaddexp(logsumexp(single), logsumexp(mixed))
    mosaics = np.exp(mixed - log_sum)
    probabilities = np.tile(np.exp(single - log_sum), (len(evidence), 1))
    for (first, second), constitutions in zip(of_clones, probabilities, strict=True):
        of_first = mosaics * expit(first - second)
        np.add.at(constitutions, clones.pairs[:, 0], of_first.sum(axis=1))
        np.add.at(constitutions, clones.pairs[:, 1], (mosaics - of_first).sum(axis=1))
    return CasePosterior(np.exp(single - log_sum), mosaics.sum(axis=1), probabilities)


def _of_clones(evidence: np.ndarray, clones: Clones) -> tuple[np.ndarray, np.ndarray]:
    """Return log(s * E(a)) and log((1 - s) * E(b)) of one cell, each of shape (P, shares)."""
    first, second = evidence[clones.pairs.T]
    return first[:, None] + np.log(CLONE_SHARES), second[:, None] + np.log1p(-CLONE_SHARES)


@dataclass(frozen=True)
class CaseVerdict:
    """What is said of a case, and what is left to do."""

    named: CaseKaryotype
    constitution: Constitution  # the most probable one
    second: Constitution  # the next one
    alone: int  # cells whose karyotype by itself is that of the case, or of one of its clones
    changed: dict[str, str]  # the karyotype, given all cells, of those that have another one by themselves
    to_do: str  # SETTLED, "look at a and b" or "more cells needed (about 2)"
    reason: str | None = None  # why it is not settled


def case_verdict(cells: Sequence[CaseCell], priors: KaryotypePriors, thresholds: CellThresholds) -> CaseVerdict:
    """Decide on a case of one cell or more.

    It is settled only if it is normal, its cells do not contradict it, one of them shows it by itself, and its
    probability is at least that of ``thresholds.settled``.
    """
    clones = Clones.of(priors)
    posterior = case_posterior(np.array([cell.evidence for cell in cells]), clones)
    best, second = posterior.most_probable(clones)
    numbers = posterior.of_each_cell(best.members)
    given, named = _given_all(cells, posterior, numbers, clones)
    alone = sum(cell.iscn in named.clones for cell in cells)
    verdict = CaseVerdict(named, best, second, alone, _changed(cells, given), SETTLED)
    odd = [cell for cell, number in zip(cells, numbers, strict=True) if _contradicts(cell, number, named, clones)]
    if doubt := _doubt(verdict, cells, odd, thresholds):
        shown = odd if odd and named.iscn in NORMAL_KARYOTYPES else cells
        return replace(verdict, to_do=f"look at {_names_to_look_at(shown, named)}", reason=doubt)
    prior = float(np.exp(clones.single[numbers[0]]))
    return _settled_or_more_cells(verdict, len(cells), prior, thresholds)


def _settled_or_more_cells(verdict: CaseVerdict, cells: int, prior: float, thresholds: CellThresholds) -> CaseVerdict:
    """Return a verdict that nothing speaks against as it is, or how many more cells it needs."""
    least, probability = _settled_from(thresholds, cells), verdict.constitution.probability
    if probability >= least and verdict.alone:
        return verdict
    further = _further_cells(probability, prior, cells, thresholds)
    reason = "no cell shows it by itself"
    if verdict.alone:
        reason = f"the probability is below {least:g}" if least < 1 else "too few cells to settle a case"
    return replace(verdict, to_do=f"more cells needed (about {further})", reason=reason)


def _given_all(
    cells: Sequence[CaseCell], posterior: CasePosterior, numbers: np.ndarray, clones: Clones
) -> tuple[list[Candidate], CaseKaryotype]:
    """Return the karyotype of each cell given all, and that of the case; ``numbers`` are the cells' constitutions."""
    given = [cell.given(of_cell) for cell, of_cell in zip(cells, posterior.of_cells, strict=True)]
    constitutions = [dict(zip(CHROMOSOMES, clones.constitutions[number], strict=True)) for number in numbers]
    return given, case_karyotype([Counter(one.names) for one in given], constitutions)


def _changed(cells: Sequence[CaseCell], given: Sequence[Candidate]) -> dict[str, str]:
    """Return the karyotypes, given all cells, of those that have another one by themselves."""
    judged = zip(cells, (one.karyotype.iscn for one in given), strict=True)
    return {cell.name: iscn for cell, iscn in judged if iscn != cell.iscn}


def _names_to_look_at(cells: Sequence[CaseCell], named: CaseKaryotype) -> str:
    """Return the cells that show an abnormality of the case best, or else any abnormality, and then a normal one."""

    def order(cell: CaseCell) -> tuple[bool, bool, float]:
        """Sort abnormal cells first, those of a clone of the case before others, the most probable first."""
        is_normal_cell = cell.iscn in NORMAL_KARYOTYPES
        return is_normal_cell, cell.iscn not in named.clones, -cell.candidates[0].probability

    return " and ".join(cell.name for cell in sorted(cells, key=order)[:SIGNED])


def _contradicts(cell: CaseCell, given: int, named: CaseKaryotype, clones: Clones) -> bool:
    """Return whether a cell, by itself or given the others, is of another clone, or has more chromosomes of a class."""
    alone = int((clones.single + cell.evidence).argmax())
    if not {clones.names[alone], clones.names[given]} <= named.clones.keys():
        return True
    counts = np.bincount(cell.candidates[0].classes, minlength=len(CHROMOSOMES))
    return bool((counts > clones.constitutions[alone]).any())


def _doubt(
    verdict: CaseVerdict, cells: Sequence[CaseCell], odd: Sequence[CaseCell], thresholds: CellThresholds
) -> str | None:
    """Return why a person has to look at a case, whatever its probability; None where nobody has to."""
    if not thresholds.settled:
        return "no probability is known from which cases are settled with these networks and batchnorm (settle_from)"
    if verdict.named.iscn not in NORMAL_KARYOTYPES:
        return "abnormal: a person signs it"
    if odd:
        said = ", ".join(f"{cell.name} says {cell.iscn}" for cell in odd)
        return f"{counted(len(odd), 'cell')} of {len(cells)} {'disagrees' if len(odd) == 1 else 'disagree'}: {said}"
    return _unlike_calibration(cells, thresholds)


def _unlike_calibration(cells: Sequence[CaseCell], thresholds: CellThresholds) -> str | None:
    """Return in what cells differ from those that the thresholds were chosen on; None where in nothing."""
    for cell in cells:
        if cell.unlike:
            return f"{cell.name}: {cell.unlike}"
    distance = float(np.mean([cell.distance for cell in cells]))
    if thresholds.distance is not None and distance > thresholds.distance:
        return f"mean distance from the training images {distance:.3g}, above {thresholds.distance:.3g}"
    return None


def _settled_from(thresholds: CellThresholds, cells: int) -> float:
    """Return the probability from which a case of so many cells is settled."""
    return thresholds.settled[min(cells, len(thresholds.settled)) - 1]


def _further_cells(probability: float, prior: float, cells: int, thresholds: CellThresholds) -> int:
    """Return how many more cells settle a case if each says as much as those at hand; MOST_CELLS at most."""
    of_cell = (logit(probability) - logit(prior)) / cells
    for further in range(1, MOST_CELLS):
        if logit(probability) + further * of_cell >= logit(_settled_from(thresholds, cells + further)):
            return further
    return MOST_CELLS
