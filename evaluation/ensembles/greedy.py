"""Ensemble selection: members are added one by one, with replacement (Caruana et al., ICML 2004)."""

import numpy as np

from common.config.ensemble import GreedyConfig
from evaluation.ensembles.objective import Problem, SearchResult


def fit_greedy(problem: Problem, config: GreedyConfig, seed: int) -> SearchResult:
    """Return the weights of the members by how often they were selected; the mean over the bags where there are more.

    A bag is a random share of the members, at least one; it keeps the selection from clinging to a few (section 2.3 of
    the paper, its sorted initialisation 2.2).
    """
    bags = [np.arange(problem.members)]
    if config.bags > 1:
        rng = np.random.default_rng(seed)
        size = max(1, round(config.bag_share * problem.members))
        bags = [np.sort(rng.choice(problem.members, size, replace=False)) for _ in range(config.bags)]
    selections = [select(problem, bag, config) for bag in bags]
    weights = np.mean([selection.weights for selection in selections], axis=0)
    score = float(problem.score(weights[None], config.objective)[0])
    return SearchResult(weights, score, sum(selection.evaluations for selection in selections) + 1)


def select(problem: Problem, bag: np.ndarray, config: GreedyConfig) -> SearchResult:
    """Add members until there are ``config.rounds``, each time the one that helps most; return the best on the way.

    Of equal scores the member named first, and the smaller ensemble, is taken.

    Args:
        problem: The labelled images.
        bag: Indices of the members that may be selected, shape (B,).
        config: ``start``: the number of best members that are selected at once at the beginning.
    """
    candidates = np.eye(problem.members)[bag]
    alone = problem.score(candidates, config.objective)
    counts = candidates[np.argsort(-alone, kind="stable")[: config.start]].sum(axis=0)
    best = counts / counts.sum()
    best_score = float(problem.score(best[None], config.objective)[0])
    evaluations = len(bag) + 1
    while counts.sum() < config.rounds:
        grown = (counts + candidates) / (counts.sum() + 1)
        scores = problem.score(grown, config.objective)
        choice = int(scores.argmax())
        counts = counts + candidates[choice]
        evaluations += len(bag)
        if scores[choice] > best_score:
            best = grown[choice]
            best_score = float(scores[choice])
    return SearchResult(best, best_score, evaluations)
