"""The weighted F1 of an ensemble on labelled images, computed for many weights at once."""

from dataclasses import dataclass

import numpy as np

from karyocyte.evaluation.metrics.classification import Confusions, call, f1_weighted
from karyocyte.evaluation.metrics.leave_one_out import batches


@dataclass(frozen=True, eq=False)
class Problem:
    """The members' predictions of labelled images, on which their weights are fitted.

    ``probabilities`` are float64, shape (M, N, K): M members, N images, K classes; ``labels`` are int64, shape (N,).
    """

    probabilities: np.ndarray
    labels: np.ndarray
    positive_index: int | None
    classes: tuple[str, ...]

    @property
    def members(self) -> int:
        """M, the number of models."""
        return len(self.probabilities)

    def fitness(self, weights: np.ndarray) -> np.ndarray:
        """Return the weighted F1 of the weighted means, 0 to 1, float64, shape (P,), for weights of shape (P, M)."""
        width = self.probabilities[0].size
        return np.concatenate([self._fitness(weights[rows]) for rows in batches(len(weights), width)])

    def _fitness(self, weights: np.ndarray) -> np.ndarray:
        classes = len(self.classes)
        means = weights @ self.probabilities.reshape(self.members, -1)
        called = call(means.reshape(-1, classes), self.positive_index).reshape(len(weights), -1)
        cells = self.labels * classes + called + classes**2 * np.arange(len(weights))[:, None]
        counts = np.bincount(cells.ravel(), minlength=len(weights) * classes**2)
        matrices = counts.reshape(-1, classes, classes)
        with np.errstate(invalid="ignore"):
            return f1_weighted(Confusions(matrices, self.positive_index))
