"""The weighted F1 of an ensemble on labelled images, computed for thousands of weights at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from common.errors import UserError

BLOCK = 2**16  # weighted means computed at once: they stay in the processor's cache
IMAGES = 2**16 - 1  # images per block, counted in 16 bits
CHUNK = 128  # images weighted at once for more than two classes, for the same reason as BLOCK
MARGIN = 1e-9  # members that agree by more than this agree whatever the weights are, rounding included


@dataclass(frozen=True, eq=False)
class Problem:
    """The members' predictions of labelled images, on which their weights are fitted.

    Weights are not negative and sum to 1. The weighted mean then lies between the members, so that an image for which
    all predict one class gets that class from every ensemble of them: such images are counted once, and only the
    others, the disputed ones, are weighted.

    Attributes:
        probabilities: 0 to 1, float64, shape (M, N, K): M members, N images, K classes.
        labels: True classes, int64, shape (N,), 0 to K - 1.
        positive_index: The positive one of two classes; None for K > 2.
        classes: The K class names.
    """

    probabilities: np.ndarray
    labels: np.ndarray
    positive_index: int | None
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        members, images, classes = self.probabilities.shape
        if not members or not images:
            raise UserError(f"weights are fitted on labelled images: there are {images} of {members} models")
        if self.labels.shape != (images,) or classes != len(self.classes):
            raise ValueError(f"{self.probabilities.shape} probabilities, {self.labels.shape} labels, {self.classes}")
        if (self.positive_index is None) == (classes == 2):
            raise ValueError(f"a positive class is that of two: {self.positive_index} of {self.classes}")
        if self.labels.min() < 0 or self.labels.max() >= classes:
            raise ValueError("unknown labels: leave these images out")

    @property
    def members(self) -> int:
        """M, the number of models."""
        return len(self.probabilities)

    def fitness(self, weights: np.ndarray) -> np.ndarray:
        """Return the weighted F1 of the weighted means, 0 to 1, float64, shape (P,), for weights of shape (P, M).

        Two classes: the positive one is predicted where its mean is at least 0.5; more: the most probable one, the
        first of equals. A class's F1 is 2 TP / (2 TP + FP + FN), and 0 for one that is neither true nor predicted.
        """
        weights = np.ascontiguousarray(weights, dtype=np.float64)
        rows = max(1, BLOCK // 64)
        values = [self._fitness(weights[start : start + rows]) for start in range(0, len(weights), rows)]
        return np.concatenate([np.zeros(0), *values])

    def _fitness(self, weights: np.ndarray) -> np.ndarray:
        if self.positive_index is None:
            correct, predicted = self._count_many(weights)
        else:
            correct, predicted = self._count_two(weights, self.positive_index)
        # A class without images counts nothing; the denominator of any other is at least 1.
        f1 = 2 * correct / np.maximum(self._images + predicted, 1)
        # A matrix product would round equal rows unequally, by their place: equal predictions must tie.
        return np.asarray((f1 * self._images).sum(axis=1) / len(self.labels))

    def _count_two(self, weights: np.ndarray, positive: int) -> tuple[np.ndarray, np.ndarray]:
        """Count the correct predictions and all predictions of each of two classes, shape (P, 2) each."""
        negative = 1 - positive
        positives = np.empty((2, len(weights)))  # predicted positive, by true class
        for truth in range(2):
            undisputed, scores = self._disputed_two[truth]
            positives[truth] = undisputed
            for images in _blocks(scores.shape[1], len(weights)):
                is_positive = weights @ scores[:, images] >= 0.5
                positives[truth] += is_positive.view(np.uint8).sum(axis=1, dtype=np.uint16)
        correct = np.empty((len(weights), 2))
        predicted = np.empty((len(weights), 2))
        correct[:, positive] = positives[positive]
        correct[:, negative] = self._images[negative] - positives[negative]
        predicted[:, positive] = positives.sum(axis=0)
        predicted[:, negative] = len(self.labels) - predicted[:, positive]
        return correct, predicted

    def _count_many(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Count the correct predictions and all predictions of each of K classes, shape (P, K) each."""
        undisputed, disputed = self._disputed_many
        counts = np.repeat(undisputed[:, None], len(weights), axis=1)
        by_member = np.ascontiguousarray(weights.T)
        for ahead, changes in disputed:
            counts += changes @ _overtaken(ahead, by_member)
        # In one order whatever P is, so that sums over a row are rounded alike.
        wrong = np.ascontiguousarray(counts[::2].T)
        correct = np.ascontiguousarray(counts[1::2].T)
        return correct, correct + wrong

    @cached_property
    def _images(self) -> np.ndarray:
        """The number of images of each class, shape (K,)."""
        return np.bincount(self.labels, minlength=len(self.classes))

    @cached_property
    def _disputed_two(self) -> list[tuple[int, np.ndarray]]:
        """By true class: how many images all members predict positive, and the disputed images' scores (M, D)."""
        by_class = []
        for truth in range(2):
            scores = self.probabilities[:, self.labels == truth, self.positive_index]
            above = (scores > 0.5 + MARGIN).all(axis=0)
            below = (scores < 0.5 - MARGIN).all(axis=0)
            by_class.append((int(above.sum()), np.ascontiguousarray(scores[:, ~(above | below)])))
        return by_class

    @cached_property
    def _disputed_many(self) -> tuple[np.ndarray, list[tuple[np.ndarray, csr_array]]]:
        """Counts that hold whatever the weights are, and the images whose prediction depends on the weights.

        Returns:
            How often each class is predicted wrongly and correctly, in turn, int32, shape (2 K,), if each image got the
            first of its candidates. Then, of at most ``CHUNK`` images with 2, with 3 and 4, with 5 to 8 candidates and
            so on: how far each other candidate is ahead of the first, shape (C - 1, D, M), -1 where an image has fewer;
            and how each of these predictions would change the counts, shape (2 K, (C - 1) D).
        """
        candidate = self._candidates()
        counts = candidate.sum(axis=1)
        order = np.argsort(~candidate, axis=1, kind="stable")
        place = 2 * order + (order == self.labels[:, None])
        undisputed = np.bincount(place[:, 0], minlength=2 * len(self.classes)).astype(np.int32)
        disputed = []
        fewer = 1
        while fewer < counts.max():
            images = np.flatnonzero((counts > fewer) & (counts <= 2 * fewer))
            fewer *= 2
            for start in range(0, len(images), CHUNK):
                some = images[start : start + CHUNK]
                most = counts[some].max()
                scores = self.probabilities[:, some, order[some, :most].T].transpose(1, 2, 0)
                lacking = np.arange(1, most)[:, None] >= counts[some]
                ahead = np.where(lacking[:, :, None], -1.0, scores[1:] - scores[0])
                disputed.append((ahead, _changes(place[some, :most].T, 2 * len(self.classes))))
        return undisputed, disputed

    def _candidates(self) -> np.ndarray:
        """The classes that some weights may predict, bool, shape (N, K): no other is more probable to every member."""
        top = self.probabilities.mean(axis=0).argmax(axis=1)
        above = self.probabilities[:, np.arange(len(top)), top][:, :, None]
        candidate = np.asarray(~(above > self.probabilities + MARGIN).all(axis=0))
        several = np.flatnonzero(candidate.sum(axis=1) > 1)
        scores = self.probabilities[:, several]
        for other in range(len(self.classes)):
            candidate[several] &= ~(scores[:, :, other, None] > scores + MARGIN).all(axis=0)
        return candidate


class SearchResult(NamedTuple):
    """The best weights of a search, float64, shape (M,), their fitness, and the number of weights tried."""

    weights: np.ndarray
    score: float
    evaluations: int


def normalise(genes: np.ndarray) -> np.ndarray:
    """Divide genes, not negative, shape (..., M), by their sum over the last axis; all 0 become equal weights."""
    total = genes.sum(axis=-1, keepdims=True)
    is_zero = total == 0
    return np.where(is_zero, 1 / genes.shape[-1], genes / np.where(is_zero, 1, total))


def _overtaken(ahead: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Tell where a candidate overtakes the first and all others, int16, shape ((C - 1) D, P), by weights (M, P).

    ``ahead`` is how far each member puts it ahead of the first, shape (C - 1, D, M).
    """
    best = ahead[0] @ weights
    chosen = (best > 0).view(np.uint8)
    if len(ahead) == 1:
        return np.asarray(chosen.astype(np.int16))
    np.maximum(best, 0, out=best)
    for place, candidate in enumerate(ahead[1:], start=2):
        score = candidate @ weights
        # Candidates rise, so that the highest of those that were ahead when their turn came is the best.
        np.maximum(chosen, (score > best) * np.uint8(place), out=chosen)
        np.maximum(best, score, out=best)
    every = np.arange(1, len(ahead) + 1, dtype=np.uint8)[:, None, None]
    return np.asarray((chosen == every).astype(np.int16).reshape(-1, weights.shape[1]))


def _changes(place: np.ndarray, places: int) -> csr_array:
    """Return how the counts change when another than the first candidate is predicted, shape (places, (C - 1) D).

    ``place`` is the index of the count of each candidate, shape (C, D).
    """
    others = len(place) - 1
    rows = np.concatenate([place[1:].ravel(), np.tile(place[0], others)])
    columns = np.tile(np.arange(len(rows) // 2), 2)
    values = np.repeat(np.array([1, -1], dtype=np.int16), len(rows) // 2)
    return csr_array((values, (rows, columns)), shape=(places, len(rows) // 2))


def _blocks(images: int, rows: int) -> Iterator[slice]:
    """Cut the images into blocks of which ``rows`` weighted means are about ``BLOCK`` numbers."""
    step = min(IMAGES, max(1, BLOCK // max(1, rows)))
    for start in range(0, images, step):
        yield slice(start, min(start + step, images))
