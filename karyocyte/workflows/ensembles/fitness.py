"""The weighted F1 of an ensemble on labelled images, computed for many weights at once."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from karyocyte.evaluation.metrics.classification import Confusions, call, confusion, f1_weighted
from karyocyte.evaluation.metrics.leave_one_out import batches

# Members that prefer one class by more than this prefer it whatever the weights are, rounding included.
MARGIN = 1e-6


@dataclass(frozen=True, eq=False)
class Problem:
    """The members' predictions of labelled images, on which their weights are fitted.

    Weights are not negative and sum to 1. The weighted mean then lies between the members, so that an image for which
    all predict one class gets that class from every ensemble of them: only the others, the disputed ones, are weighted.
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
        width = self._parts[0].shape[1]
        return np.concatenate([self._fitness(weights[rows]) for rows in batches(len(weights), width)])

    def _fitness(self, weights: np.ndarray) -> np.ndarray:
        probabilities, labels, agreed = self._parts
        classes = len(self.classes)
        means = weights @ probabilities
        called = call(means.reshape(-1, classes), self.positive_index).reshape(len(weights), -1)
        cells = labels * classes + called + classes**2 * np.arange(len(weights))[:, None]
        counts = np.bincount(cells.ravel(), minlength=len(weights) * classes**2)
        matrices = counts.reshape(-1, classes, classes) + agreed
        with np.errstate(invalid="ignore"):
            return f1_weighted(Confusions(matrices, self.positive_index))

    @cached_property
    def _parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Probabilities, (M, D * K), and labels, (D,), of the disputed images; the confusion of the others, (K, K)."""
        lead = np.diff(np.sort(self.probabilities, axis=2)[:, :, -2:])[:, :, 0]
        preferred = self.probabilities.argmax(axis=2)
        disputed = ~((preferred == preferred[0]) & (lead > MARGIN)).all(axis=0)
        agreed = confusion(self.labels[~disputed], preferred[0, ~disputed], len(self.classes))
        return self.probabilities[:, disputed].reshape(self.members, -1), self.labels[disputed], agreed
