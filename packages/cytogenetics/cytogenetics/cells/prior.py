"""The prior probability of the counts of a cell's chromosomes: constitution, then losses and gains of single ones.

A patient has a constitution (46,XX, 47,XY,+21, 45,X ...) with the counts b[k]. Each chromosome of a cell is lost in
culture or on the slide with the same probability, and chromosomes of a neighbouring cell are added at a Poisson rate.
The probability of the counts n[k] sums over constitutions:

    P(n) = sum over constitutions c of P(c) * product over k of P(n[k] | b[c, k])

So a missing autosome is a loss, since no constitution lacks it, and 47,XY,+18 is more probable than 47,XY,+4.
"""

from dataclasses import dataclass
from math import comb, exp, factorial, log
from sys import float_info
from typing import Annotated

import numpy as np
from pydantic import Field
from scipy.special import logsumexp

from karyocyte.common.karyotype import AUTOSOMES, CHROMOSOMES
from karyocyte.config.base import FROM_YAML, Share, StrictModel

# Chromosomes of a complete cell, and how many fewer an ordinary loss explains: with less, the cell is broken.
COMPLETE = 46
FEW_LOST = 2


# Shares of 68,159 newborns, 43,612 of them male (Randolph, Prenatal Cytogenetics, in: The Principles of Clinical
# Cytogenetics, 2005, table 1; most of them already in Hook and Hamerton, 1977).
TRISOMY = {"13": 4.4e-5, "18": 1.3e-4, "21": 1.2e-3}
RARE_TRISOMY = 1.5e-6  # of each other autosome: 2 newborns for 19 autosomes
SEX_CHROMOSOMES = {"X": 2.4e-4, "XXX": 1.1e-3, "XXY": 1.03e-3, "XYY": 1.03e-3}  # among newborns of that sex
SEXES = {"XX": 0.5, "XY": 0.5}
MOSAIC = 0.1  # share of the patients with an aneuploidy who have two clones; ours
# The mean counts of a normal cell in the order of CHROMOSOMES, float64, shape (24,).
EXPECTED = np.array([2.0] * len(AUTOSOMES) + [2.0 - SEXES["XY"], SEXES["XY"]])


def learned_shares(balanced: bool) -> np.ndarray:
    """Return the shares of the classes that a network has learned, float64, shape (24,): equal ones if balanced."""
    return np.full(len(CHROMOSOMES), 1 / len(CHROMOSOMES)) if balanced else EXPECTED / COMPLETE


class KaryotypePriors(StrictModel, defaults="karyotype"):
    """What is known of a cell before its chromosomes are looked at, see conf/karyotype.yaml."""

    referral: Annotated[float, Field(ge=1.0, le=100.0)] = FROM_YAML
    loss: Share = FROM_YAML
    gain: Share = FROM_YAML


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
