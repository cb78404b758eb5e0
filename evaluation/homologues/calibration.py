"""Scores of pairs on one scale for all chromosomes, by the normal pairs of the validation part."""

from dataclasses import dataclass

import numpy as np

from common.karyotype import CHROMOSOMES

# So many pairs of all chromosomes count towards the spread of each, beside its own.
SHARED = 20
LEAST_SPREAD = 1e-6


@dataclass(frozen=True)
class Calibration:
    """Mean and spread of the scores of normal pairs of each chromosome.

    A calibrated score is how many standard deviations a score is above the mean of the chromosome's normal pairs. The
    variance of a chromosome with n pairs is averaged with that within all chromosomes, n to SHARED, since n may be
    small. A chromosome without normal pairs has the mean of all.

    Attributes:
        mean: Of each of CHROMOSOMES, float64, shape (24,).
        spread: Standard deviations, likewise.
        reference: Calibrated scores of all these pairs, in ascending order, float64, shape (N,).
    """

    mean: np.ndarray
    spread: np.ndarray
    reference: np.ndarray

    @classmethod
    def fit(cls, score: np.ndarray, chromosome: np.ndarray) -> "Calibration":
        """Calibrate by scores of normal pairs, float64, and their chromosomes, indices, both of shape (N,)."""
        kinds = len(CHROMOSOMES)
        count = np.bincount(chromosome, minlength=kinds)
        mean = np.where(count > 0, np.bincount(chromosome, score, kinds) / count.clip(min=1), score.mean())
        squares = (score - mean[chromosome]) ** 2
        variance = (np.bincount(chromosome, squares, kinds) + SHARED * squares.mean()) / (count + SHARED)
        spread = np.sqrt(variance).clip(min=LEAST_SPREAD)
        return cls(mean, spread, np.sort((score - mean[chromosome]) / spread[chromosome]))

    def __call__(self, score: np.ndarray, chromosome: np.ndarray) -> np.ndarray:
        """Return calibrated scores, float64, shape (N,)."""
        return np.asarray((score - self.mean[chromosome]) / self.spread[chromosome])

    def p_values(self, calibrated: np.ndarray) -> np.ndarray:
        """Return the share of normal pairs that score at least as high, a pair itself counted: above 0, to 1."""
        below = np.searchsorted(self.reference, calibrated, side="left")
        return np.asarray((len(self.reference) - below + 1) / (len(self.reference) + 1))

    def threshold(self, specificity: float) -> float:
        """Return the calibrated score that this share of the normal pairs (0 to 1) does not exceed."""
        return float(np.quantile(self.reference, specificity, method="higher"))


def sidak(p_value: np.ndarray, tests: np.ndarray | int) -> np.ndarray:
    """Return the probability that the least of several independent p-values is as low (Šidák, JASA, 1967)."""
    return np.asarray(-np.expm1(tests * np.log1p(-np.minimum(p_value, 1 - 1e-12))))
