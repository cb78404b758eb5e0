"""What the weights of an ensemble are fitted on, and how good thousands of them are at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from common.ensemble_schema import Objective
from common.errors import UserError

# Numbers of one block of weighted means, which then stay in the processor's cache.
BLOCK = 2**16
# The images of a block are counted in 16 bits.
IMAGES = 2**16 - 1
# Members that agree by more than this agree whatever the weights are, rounding included.
MARGIN = 1e-9


@dataclass(frozen=True, eq=False)
class Problem:
    """The members' predictions of labelled images, on which their weights are judged.

    Weights are not negative and sum to 1. The weighted mean then lies between the members, so that an image which all
    call alike is called so by every ensemble of them: such images are counted once, and only the others are weighted.

    Attributes:
        probabilities: 0 to 1, float64, shape (M, N, K): M members, N images, K classes.
        labels: True classes, int64, shape (N,), all known.
        positive_index: The positive one of two classes; None for K > 2.
        classes: The K class names.
        clusters: The subject of each image as a number, int64, shape (N,); None where none is known.
    """

    probabilities: np.ndarray
    labels: np.ndarray
    positive_index: int | None
    classes: tuple[str, ...]
    clusters: np.ndarray | None = None

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

    def score(self, weights: np.ndarray, objective: Objective = "f1_weighted") -> np.ndarray:
        """Return what is maximised, float64, shape (P,), for weights of shape (P, M).

        Args:
            weights: Not negative, each row sums to 1.
            objective: ``f1_weighted``, see ``fitness``; ``nll``: the mean log-probability of the true class, which,
                unlike F1, changes with every weight.
        """
        return self.fitness(weights) if objective == "f1_weighted" else -self.negative_log_likelihood(weights)

    def fitness(self, weights: np.ndarray) -> np.ndarray:
        """Return the weighted F1 of the weighted means, 0 to 1, float64, shape (P,), for weights of shape (P, M).

        Two classes: the positive one is called where its mean is at least 0.5; else the most probable one is, the
        first of equals. A class's F1 is 2 TP / (2 TP + FP + FN), and 0 for one that is neither there nor called.
        """
        weights = np.ascontiguousarray(weights, dtype=np.float64)
        rows = max(1, BLOCK // 64)
        parts = [self._fitness(weights[start : start + rows]) for start in range(0, len(weights), rows)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def negative_log_likelihood(self, weights: np.ndarray) -> np.ndarray:
        """Return the mean -log of the weighted mean's probability of the true class, nats, shape (P,)."""
        total = np.zeros(len(weights))
        for images in _blocks(len(self.labels), len(weights)):
            mean = weights @ self._of_truth[:, images]
            total -= np.log(np.maximum(mean, np.finfo(np.float64).eps)).sum(axis=1)
        return total / len(self.labels)

    def _fitness(self, weights: np.ndarray) -> np.ndarray:
        right, called = self._count_two(weights) if self.positive_index is not None else self._count_many(weights)
        # A class without images counts nothing; the denominator of any other is at least 1.
        f1 = 2 * right / np.maximum(self._images + called, 1)
        # A matrix product would round equal rows unequally, by their place: equal calls must tie.
        return (f1 * self._images).sum(axis=1) / len(self.labels)

    def _count_two(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Count the right calls and all calls of each of two classes, shape (P, 2) each."""
        positive = self.positive_index
        columns = (1 - positive, positive)
        called = np.empty((2, len(weights)))  # called positive, of each true class
        for truth in columns:
            sure, scores = self._disputed_two[truth]
            called[truth] = sure
            for images in _blocks(scores.shape[1], len(weights)):
                is_positive = weights @ scores[:, images] >= 0.5
                called[truth] += is_positive.view(np.uint8).sum(axis=1, dtype=np.uint16)
        right, all_called = np.empty((2, len(weights), 2))
        right[:, positive] = called[positive]
        right[:, 1 - positive] = self._images[1 - positive] - called[1 - positive]
        all_called[:, positive] = called.sum(axis=0)
        all_called[:, 1 - positive] = len(self.labels) - all_called[:, positive]
        return right, all_called

    def _count_many(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Count the right calls and all calls of each of K classes, shape (P, K) each."""
        k, rows = len(self.classes), len(weights)
        agreed, disputed = self._disputed_many
        found = np.tile(agreed, (rows, 1))
        own_row = np.arange(rows)[:, None] * 2 * k
        for labels, classes, scores in disputed:
            for images in _blocks(len(labels), rows):
                best = weights @ scores[0][:, images]
                chosen = np.tile(classes[0, images], (rows, 1))
                for candidate in range(1, len(classes)):
                    score = weights @ scores[candidate][:, images]
                    # Candidates rise, so that the highest of those that were ahead when their turn came is the best.
                    np.maximum(chosen, (score > best) * classes[candidate, images], out=chosen)
                    np.maximum(best, score, out=best)
                place = own_row + (2 * chosen + (chosen == labels[images]))
                found += np.bincount(place.ravel(), minlength=rows * 2 * k).reshape(rows, 2 * k)
        wrong, right = found[:, ::2], found[:, 1::2]
        return right, right + wrong

    @cached_property
    def _images(self) -> np.ndarray:
        """How many images each class has, shape (K,)."""
        return np.bincount(self.labels, minlength=len(self.classes))

    @cached_property
    def _of_truth(self) -> np.ndarray:
        """The probability of the true class, shape (M, N)."""
        return self.probabilities[:, np.arange(len(self.labels)), self.labels]

    @cached_property
    def _disputed_two(self) -> tuple[tuple[int, np.ndarray], ...]:
        """Of each true class: how many images all members call positive, and the others' scores, shape (M, D)."""
        found = []
        for truth in range(2):
            scores = self.probabilities[:, self.labels == truth, self.positive_index]
            above, below = (scores > 0.5 + MARGIN).all(axis=0), (scores < 0.5 - MARGIN).all(axis=0)
            found.append((int(above.sum()), np.ascontiguousarray(scores[:, ~(above | below)])))
        return tuple(found)

    @cached_property
    def _disputed_many(self) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray, np.ndarray]]]:
        """The images that some weights may call otherwise, with the classes that may be called.

        A class is no candidate where every member finds the one of highest mean more probable.

        Returns:
            How often each class is called wrongly and rightly in the other images, in turn, (2 K,). Then, of images
            with 2, with 3 and 4, with 5 to 8 candidates and so on: labels (D,), candidates, rising, (C, D), and their
            scores (C, M, D), -1 where an image has fewer.
        """
        k, every = len(self.classes), np.arange(len(self.labels))
        top = self.probabilities.mean(axis=0).argmax(axis=1)
        above = self.probabilities[:, every, top][:, :, None]
        candidate = ~(above > self.probabilities + MARGIN).all(axis=0)
        counts = candidate.sum(axis=1)
        agreed = np.bincount((2 * top + (top == self.labels))[counts == 1], minlength=2 * k)
        # Of 16 bits, four times as many fit into a register as of 64.
        labels, order = self.labels.astype(np.int16), np.argsort(~candidate, axis=1, kind="stable").astype(np.int16)
        disputed, fewer = [], 1
        while fewer < counts.max():
            images = np.flatnonzero((counts > fewer) & (counts <= 2 * fewer))
            fewer *= 2
            classes = np.ascontiguousarray(order[images, :fewer].T)
            lacking = np.arange(len(classes))[:, None] >= counts[images]
            scores = np.where(lacking[:, None], -1.0, self.probabilities[:, images, classes].swapaxes(0, 1))
            disputed.append((labels[images], classes, scores))
        return agreed, disputed


@dataclass(frozen=True)
class Found:
    """The best weights that a search came to.

    Attributes:
        weights: Not negative, sum 1, float64, shape (M,).
        score: What was maximised, see ``Problem.score``.
        evaluations: How many weights were tried.
    """

    weights: np.ndarray
    score: float
    evaluations: int


def normalise(genes: np.ndarray) -> np.ndarray:
    """Divide by the sum over the last axis, so that it is 1; equal weights where all genes are 0.

    Args:
        genes: Not negative, shape (..., M).
    """
    total = genes.sum(axis=-1, keepdims=True)
    nothing = total == 0
    return np.where(nothing, 1 / genes.shape[-1], genes / np.where(nothing, 1, total))


def _blocks(images: int, rows: int) -> Iterator[slice]:
    """Cut the images into blocks of which ``rows`` weighted means are about ``BLOCK`` numbers."""
    step = min(IMAGES, max(1, BLOCK // max(1, rows)))
    for start in range(0, images, step):
        yield slice(start, min(start + step, images))
