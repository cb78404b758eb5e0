"""Pairs of homologues of a cell that were compared: what was found of each, and when it is suspect."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PairFinding:
    """What was found of one pair of homologues.

    Attributes:
        chromosome: "1" to "22", "X" or "Y".
        files: Names of both files.
        score: Log-odds of a rearrangement.
        p_value: Share of normal pairs whose calibrated score is at least as high, see `Calibration`.
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
    kind: str
    kind_probability: float
    rearranged: int
    rearranged_probability: float
    place: float
    arm: str
    calibrated: float = 0.0
    p_value: float = 1.0

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
    """Return the mean calibrated score of each chromosome over the cells of a case, where a cell has a pair of it."""
    scores: dict[str, list[float]] = {}
    for findings in cells:
        for finding in findings:
            scores.setdefault(finding.chromosome, []).append(finding.calibrated)
    return {name: float(np.mean(of_chromosome)) for name, of_chromosome in scores.items()}
