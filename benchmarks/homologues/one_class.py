"""Training on normal pairs only: how unusual the numbers that describe a pair are among those of normal pairs."""

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.covariance import LedoitWolf

from benchmarks.homologues.items import Differences
from common.karyotype import CHROMOSOMES
from datamodules.homologues.pairs import TOKEN
from lightning_modules.networks.pair_summary import summarise
from lightning_modules.networks.row_alignment import STEP, align

WINDOW = 5  # aligned rows over which correlations are averaged to find the place


class NormalPairs:
    """The distribution of normal pairs: a mean of each chromosome, one covariance of all (Ledoit and Wolf, 2004).

    Args:
        numbers: That describe each pair, float64, shape (N, K).
        chromosome: Class of each, index into CHROMOSOMES, int64, shape (N,).
    """

    def __init__(self, numbers: np.ndarray, chromosome: np.ndarray) -> None:
        self.mean = np.tile(numbers.mean(axis=0), (len(CHROMOSOMES), 1))
        for number in np.unique(chromosome):
            self.mean[number] = numbers[chromosome == number].mean(axis=0)
        self.scale = (numbers - self.mean[chromosome]).std(axis=0).clip(min=1e-6)
        self.covariance = LedoitWolf(assume_centered=True).fit(self._centred(numbers, chromosome))

    def distance(self, numbers: np.ndarray, chromosome: np.ndarray) -> np.ndarray:
        """Return the Mahalanobis distance of pairs from the normal ones of their chromosome, float64, shape (N,)."""
        return np.asarray(np.sqrt(self.covariance.mahalanobis(self._centred(numbers, chromosome))))

    def _centred(self, numbers: np.ndarray, chromosome: np.ndarray) -> np.ndarray:
        return np.asarray((numbers - self.mean[chromosome]) / self.scale)


def compare_summaries(image: torch.Tensor) -> Differences:
    """Describe pairs, float32 in [0, 1], shape (B, 2, H, W), by their alignment, see `summarise`."""
    aligned = align(image)
    fit, inside = aligned.facts[..., 0], aligned.facts[..., -1]
    unlike = F.avg_pool1d((1 - fit) * inside, WINDOW, stride=1, padding=WINDOW // 2)
    hottest = unlike.flatten(1).argmax(1)
    rows_of_token = TOKEN // STEP
    return Differences(summarise(image, aligned), hottest // rows_of_token)
