"""The sum over all assignments of chromosomes to classes with given counts, and the probability of each class in it.

Let q[i, k] >= 0 be the weight of class k for chromosome i (of n) and N[k] the counts, of sum n. Wanted is

    Z = sum over the classes c with counts N of the product over i of q[i, c[i]]

which is a permanent, and so exponential in n. Belief propagation between the chromosomes and the counts gives the
Bethe approximation of it, from below, and approximate probabilities of each class for each chromosome (Huang and
Jebara, Approximating the permanent with belief propagation, arXiv:0908.1769; Vontobel, The Bethe permanent of a
nonnegative matrix, IEEE Trans. Inf. Theory 59, 2013). It is exact where confusions form no loops, such as one swap.
Classes of several chromosomes are one factor each, through elementary symmetric polynomials, so that equal places of
one class cause no loop.
"""

import numpy as np

ITERATIONS = 100
TOLERANCE = 1e-4
# Keeps products of a few messages within the range of float64.
LEAST = 1e-40
LARGEST = 1e40


def sum_over_assignments(log_weights: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return log Z and the probabilities of the classes, each for several vectors of counts.

    Args:
        log_weights: log q, float64, shape (n, K); -inf where a chromosome cannot be of a class.
        counts: N, int64, shape (B, K); each row sums to n.

    Returns:
        log Z, float64, shape (B,), and the probabilities, shape (B, n, K), 0 to 1; rows sum to 1.
    """
    best = log_weights.max(axis=1, keepdims=True)
    weights = np.exp(log_weights - best)
    present = (counts > 0)[:, None, :]
    others = 1.0 - np.eye(weights.shape[1])
    from_counts = present * np.ones((len(counts), *weights.shape))
    beliefs = np.zeros_like(from_counts)
    for _ in range(ITERATIONS):
        support = weights * from_counts
        odds = np.clip(weights / np.maximum(support @ others, LEAST), 0.0, LARGEST)
        polynomials = _without_each(odds, int(counts.max()))
        from_counts = np.where(present, _ratio(polynomials, counts), 0.0)
        support = weights * from_counts
        before = beliefs
        beliefs = support / np.maximum(support.sum(axis=2, keepdims=True), LEAST)
        if np.abs(beliefs - before).max() < TOLERANCE:
            break
    of_chromosomes = np.log(np.maximum(support.sum(axis=2), LEAST)).sum(axis=1)
    of_counts = np.log(np.maximum(_with_count(polynomials, odds, counts), LEAST**4)).sum(axis=1)
    of_edges = np.log1p(odds * from_counts).sum(axis=(1, 2))
    return best.sum() + of_chromosomes + of_counts - of_edges, beliefs


def _without_each(odds: np.ndarray, degree: int) -> np.ndarray:
    """Return the elementary symmetric polynomials of each class's odds without those of one chromosome.

    Products of those before and those after it need no division, which would cancel.

    Args:
        odds: Shape (B, n, K).
        degree: The largest degree, D.

    Returns:
        Shape (B, n, K, D + 1).
    """
    before = _running(odds, degree)
    after = _running(odds[:, ::-1], degree)[:, ::-1]
    without = np.zeros_like(before)
    for total in range(degree + 1):
        for first in range(total + 1):
            without[..., total] += before[..., first] * after[..., total - first]
    return without


def _running(odds: np.ndarray, degree: int) -> np.ndarray:
    """Return the polynomials of the chromosomes before each one, shape (B, n, K, D + 1)."""
    batch, chromosomes, classes = odds.shape
    polynomials = np.zeros((batch, chromosomes, classes, degree + 1))
    current = np.zeros((batch, classes, degree + 1))
    current[..., 0] = 1.0
    for row in range(chromosomes):
        polynomials[:, row] = current
        current[..., 1:] += odds[:, row, :, None] * current[..., :-1].copy()
    return polynomials


def _ratio(polynomials: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return how many times more probable the counts are with a chromosome in a class than without, shape (B, n, K)."""
    index = counts[:, None, :, None]
    without = np.take_along_axis(polynomials, index, axis=3)[..., 0]
    within = np.take_along_axis(polynomials, np.maximum(index - 1, 0), axis=3)[..., 0]
    return np.asarray(np.clip(within / np.maximum(without, LEAST**4), LEAST, LARGEST))


def _with_count(polynomials: np.ndarray, odds: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the polynomial of all chromosomes whose degree is the count of the class, shape (B, K)."""
    last = np.take_along_axis(polynomials[:, -1], counts[..., None], axis=2)[..., 0]
    one_less = np.take_along_axis(polynomials[:, -1], np.maximum(counts - 1, 0)[..., None], axis=2)[..., 0]
    return np.asarray(last + np.where(counts > 0, odds[:, -1] * one_less, 0.0))
