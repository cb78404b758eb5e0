"""The sum over all assignments of chromosomes to classes with given counts, around the best of them.

Every assignment with the same counts comes from the best one by exchanges: cycles of classes, each of which passes a
chromosome on to the next. The cost of an exchange, in nats, is what the sum of log-weights loses by it. Classes between
which exchanges cost little form groups; within a group the sum is exact, by dynamic programming over its chromosomes
with the counts as the state. Between groups only exchanges of two chromosomes count, to first order. The whole sum is a
permanent, for which no polynomial algorithm is known; belief propagation, its usual approximation (Vontobel, The Bethe
permanent of a nonnegative matrix, 2013), is of no use here, since it ignores a single exchange of two.
"""

import math
from functools import lru_cache

import numpy as np

# An exchange up to this cost, in nats, joins its classes in a group: it has at least 1/1,100 of the best's weight.
JOINING = 7.0
# The most vectors of counts within a group, as those of 8 classes with two chromosomes each.
STATES = 3**8


def step_costs(log_weights: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return the least cost of changing one chromosome from class a to class b, float64, shape (K a, K b).

    Args:
        log_weights: Shape (n, K).
        classes: The best assignment to its counts, int64, shape (n,).
    """
    size = log_weights.shape[1]
    costs = np.full((size, size), np.inf)
    for kind in np.unique(classes):
        rows = classes == kind
        costs[kind] = (log_weights[rows, kind, None] - log_weights[rows]).min(axis=0)
    np.fill_diagonal(costs, 0.0)
    return costs


def path_costs(steps: np.ndarray) -> np.ndarray:
    """Return the least cost of a chromosome less in class a and one more in class b, over any steps between.

    This is the shortest path (Floyd and Warshall), and exact where the steps are those of a best assignment
    (successive shortest paths of minimum-cost flow; Ahuja, Magnanti and Orlin, Network Flows, 1993).
    """
    paths = steps.copy()
    for middle in range(len(paths)):
        paths = np.minimum(paths, paths[:, middle, None] + paths[middle])
    return paths


def sum_over_assignments(log_weights: np.ndarray, classes: np.ndarray) -> tuple[float, np.ndarray]:
    """Sum the weights of all assignments with the counts of the best one.

    Args:
        log_weights: float64, shape (n, K), finite.
        classes: The best assignment to its counts, int64, shape (n,).

    Returns:
        The logarithm of the sum, and the probability of each class for each chromosome, float64, shape (n, K), 0 to 1.
    """
    rows = np.arange(len(classes))
    best = log_weights[rows, classes]
    relative = log_weights - best[:, None]
    group_of = _groups(relative, classes)
    log_sum = best.sum()
    marginals = np.zeros_like(log_weights)
    marginals[rows, classes] = 1.0
    for group in np.flatnonzero(np.bincount(group_of) > 1):
        members = np.flatnonzero(group_of[classes] == group)
        kinds = np.unique(classes[members])
        of_group = np.ix_(members, kinds)
        log_of_group, marginals[of_group] = _sum_within(relative[of_group], np.searchsorted(kinds, classes[members]))
        log_sum += log_of_group
    exchanged = relative[:, classes]
    apart = group_of[classes][:, None] != group_of[classes]
    swaps = np.where(apart, np.exp(np.minimum(exchanged + exchanged.T, 0.0)), 0.0)
    log_sum += np.log1p(swaps).sum() / 2
    np.add.at(marginals.T, classes, swaps)
    return float(log_sum), marginals / marginals.sum(axis=1, keepdims=True)


def _groups(log_weights: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return the group of each class, int64, shape (K,): those joined by cheap exchanges, the cheapest first."""
    steps = step_costs(log_weights, classes)
    exchanges = steps + path_costs(steps).T
    # Vectors of counts of each group, by its number; Python's integers, since a product may be larger than any int64.
    states = (np.bincount(classes, minlength=len(steps)) + 1).tolist()
    group_of = np.arange(len(steps))
    cheap = np.argwhere((exchanges <= JOINING) & ~np.eye(len(steps), dtype=bool))
    for one, other in cheap[np.argsort(exchanges[tuple(cheap.T)], kind="stable")]:
        kept, joined = int(group_of[one]), int(group_of[other])
        if kept != joined and states[kept] * states[joined] <= STATES:
            states[kept] *= states[joined]
            group_of[group_of == joined] = kept
    return group_of


@lru_cache(maxsize=64)
def _vectors(counts: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return of the S vectors of counts up to the given ones their sums, and the numbers of their neighbours.

    These are the vectors with one less of each class, and with one more, int64, shape (S, K); S where there is none.
    """
    places = (np.array(counts) + 1).tolist()
    nowhere = math.prod(places)
    numbers = np.arange(nowhere)
    vectors = np.stack(np.unravel_index(numbers, places), axis=1)
    strides = np.cumprod([1, *places[:0:-1]])[::-1]
    fewer = np.where(vectors > 0, numbers[:, None] - strides, nowhere)
    more = np.where(vectors < counts, numbers[:, None] + strides, nowhere)
    return vectors.sum(axis=1), fewer, more


def _sum_within(log_weights: np.ndarray, classes: np.ndarray) -> tuple[float, np.ndarray]:
    """Sum over all assignments with the counts of ``classes``, exactly; see ``sum_over_assignments``.

    ``before[m]`` is the sum over the assignments of the first chromosomes with counts m, ``after[m]`` that over those
    of the others which complete m to the wanted counts. There are as many first chromosomes as m has, so each m is
    reached once. The last element of both belongs to no m and is 0.
    """
    chromosomes, size = log_weights.shape
    weights = np.exp(log_weights)
    sums, fewer, more = _vectors(tuple(np.bincount(classes, minlength=size).tolist()))
    before = np.zeros(len(sums) + 1)
    after = np.zeros_like(before)
    before[0] = 1.0
    after[-2] = 1.0
    for row in range(chromosomes):
        states = np.flatnonzero(sums == row + 1)
        before[states] = before[fewer[states]] @ weights[row]
    marginals = np.empty_like(weights)
    for row in reversed(range(chromosomes)):
        states = np.flatnonzero(sums == row)
        completed = after[more[states]] * weights[row]
        after[states] = completed.sum(axis=1)
        marginals[row] = before[states] @ completed
    total = before[-2]
    return float(np.log(total)), marginals / total
