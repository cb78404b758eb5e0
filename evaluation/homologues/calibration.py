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
        reference: Calibrated scores of the N normal pairs, each by the pairs of other cases alone, as those of new
            cases are; where no other case has the chromosome, by all. Float64, shape (N,).
    """

    mean: np.ndarray
    spread: np.ndarray
    reference: np.ndarray

    @classmethod
    def fit(cls, score: np.ndarray, chromosome: np.ndarray, case: np.ndarray) -> "Calibration":
        """Calibrate by normal pairs.

        Args:
            score: Of each, float64, shape (N,).
            chromosome: Index into CHROMOSOMES, int64, shape (N,).
            case: Its number, int64, shape (N,).
        """
        kinds = len(CHROMOSOMES)
        centre = score.mean()
        powers = [np.ones(len(score)), score - centre, (score - centre) ** 2]
        sums = np.stack([np.bincount(chromosome, power, kinds) for power in powers])
        within = (sums[2] - sums[1] ** 2 / sums[0].clip(min=1)).sum() / len(score)
        mean, spread = _standard(sums, within)
        block = case * kinds + chromosome
        of_case = np.stack([np.bincount(block, power)[block] for power in powers])
        of_others = sums[:, chromosome] - of_case
        of_others = np.where(of_others[0] > 0.5, of_others, sums[:, chromosome])
        left_mean, left_spread = _standard(of_others, within)
        return cls(mean + centre, spread, (score - centre - left_mean) / left_spread)

    def __call__(self, score: np.ndarray, chromosome: np.ndarray) -> np.ndarray:
        """Return calibrated scores, float64, shape (N,)."""
        return np.asarray((score - self.mean[chromosome]) / self.spread[chromosome])

    def p_values(self, calibrated: np.ndarray) -> np.ndarray:
        """Return the share of normal pairs that score at least as high, a pair itself counted: above 0, to 1."""
        below = np.searchsorted(np.sort(self.reference), calibrated, side="left")
        return np.asarray((len(self.reference) - below + 1) / (len(self.reference) + 1))

    def threshold(self, specificity: float) -> float:
        """Return the calibrated score that this share of the normal pairs (0 to 1) does not exceed."""
        return float(np.quantile(self.reference, specificity, method="higher"))


def sidak(p_value: np.ndarray, tests: np.ndarray | int) -> np.ndarray:
    """Return the probability that the least of several independent p-values is as low (Šidák, JASA, 1967)."""
    return np.asarray(-np.expm1(tests * np.log1p(-np.minimum(p_value, 1 - 1e-12))))


def _standard(sums: np.ndarray, within: float) -> tuple[np.ndarray, np.ndarray]:
    """Return means and standard deviations of sums of powers 0 to 2, shape (3, K); ``within``: variance of all."""
    count, total, squares = sums
    mean = total / count.clip(min=1)
    variance = (squares - count * mean**2 + SHARED * within) / (count + SHARED)
    return mean, np.sqrt(variance.clip(min=LEAST_SPREAD**2))
