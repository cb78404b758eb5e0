"""Pairs of homologues that were compared: how unusual a score is among normal pairs, and which pairs are suspect."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

LEAST_SPREAD = 1e-6  # of the scores of a chromosome: equal ones must not divide by zero


@dataclass(frozen=True, eq=False)
class NormalScores:
    """Scores of normal pairs that no network has learned from.

    Attributes:
        by_chromosome: float64, by the name of the chromosome.
        own: From how many scores on a chromosome is compared with its own alone.
    """

    by_chromosome: Mapping[str, np.ndarray]
    own: int

    @classmethod
    def of(cls, pairs: pd.DataFrame, own: int) -> "NormalScores":
        """Return those of a table of normal pairs, columns ``chromosome`` and ``score``, at least one row."""
        groups = pairs.groupby("chromosome")["score"]
        return cls({str(name): scores.to_numpy(np.float64) for name, scores in groups}, own)

    @property
    def least(self) -> float:
        """The smallest p-value that is possible."""
        return 1 / (1 + sum(len(scores) for scores in self.by_chromosome.values()))

    def p_value(self, chromosome: str, score: float) -> float:
        """Return the share of normal scores that are at least as high, 0 to 1, one added to both counts.

        A chromosome with ``own`` scores is compared with these. Another one is compared with all chromosomes: its
        score and theirs are measured in standard deviations from the mean of their own chromosome.
        """
        normal = self.by_chromosome.get(chromosome, np.zeros(0))
        if len(normal) < self.own:
            normal = np.concatenate([self._standard(name, scores) for name, scores in self.by_chromosome.items()])
            score = float(self._standard(chromosome, np.array([score]))[0])
        return float((1 + np.count_nonzero(normal >= score)) / (1 + len(normal)))

    def _standard(self, chromosome: str, scores: np.ndarray) -> np.ndarray:
        """Standardise scores by the normal ones of their chromosome; by all where it has fewer than two."""
        normal = self.by_chromosome.get(chromosome, np.zeros(0))
        if len(normal) < 2:
            normal = np.concatenate(list(self.by_chromosome.values()))
        return np.asarray((scores - normal.mean()) / max(float(normal.std()), LEAST_SPREAD))


@dataclass(frozen=True)
class PairFinding:
    """What was found of one pair of homologues.

    Attributes:
        chromosome: "1" to "22", "X" or "Y".
        files: Names of both files.
        score: Log-odds of a rearrangement.
        p_value: See `NormalScores.p_value`.
        suspect: Whether it is so small that an expert should look.
        kind: The most probable kind of rearrangement, if there is one.
        kind_probability: Its probability.
        rearranged: Which of both chromosomes it is, 0 or 1.
        rearranged_probability: Its probability, at least 0.5.
        place: Where it is most likely, on the other homologue: share of its length from the end of the short arm.
        arm: "p" or "q", by the mean position of the centromere.
    """

    chromosome: str
    files: tuple[str, str]
    score: float
    p_value: float
    suspect: bool
    kind: str
    kind_probability: float
    rearranged: int
    rearranged_probability: float
    place: float
    arm: str

    @property
    def probability(self) -> float:
        """The probability of a rearrangement, where half of all pairs have one."""
        return float(1 / (1 + np.exp(-self.score)))

    @property
    def statement(self) -> str:
        """Why an expert should look at the pair."""
        probability = f"{self.probability:.2f}" if self.probability < 0.995 else "> 0.99"
        where = f"{self.chromosome}{self.arm}, {self.kind}"
        return f"structurally suspect: {where}, probability {probability} (p-value {self.p_value:.2g})"


def threshold_of(alarm: float, pairs: int) -> float:
    """Return the p-value up to which a pair of a cell is suspect, by Sidak.

    Of normal cells of so many independent pairs, the share ``alarm`` has a suspect pair.
    """
    return float(-np.expm1(np.log1p(-alarm) / pairs))


def mean_scores(cells: Sequence[Sequence[PairFinding]]) -> dict[str, float]:
    """Return the mean score of each chromosome over the cells of a case, where a cell has a pair of it."""
    scores: dict[str, list[float]] = {}
    for findings in cells:
        for finding in findings:
            scores.setdefault(finding.chromosome, []).append(finding.score)
    return {name: float(np.mean(of_chromosome)) for name, of_chromosome in scores.items()}
