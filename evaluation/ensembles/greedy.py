"""Ensemble selection: members are added one by one, with replacement (Caruana et al., ICML 2004)."""

import numpy as np

from common.config.ensemble import GreedyConfig
from evaluation.ensembles.objective import Found, Problem


def fit_greedy(problem: Problem, config: GreedyConfig, seed: int) -> Found:
    """Return the weights of the members by how often they were taken; the mean over the bags where there are several.

    A bag is a random share of the members, at least one; it keeps the selection from clinging to a few (section 2.3 of
    the paper, its sorted initialisation 2.2).
    """
    members = problem.members
    bags = [np.arange(members)]
    if config.bags > 1:
        rng = np.random.default_rng(seed)
        size = max(1, round(config.bag_share * members))
        bags = [np.sort(rng.choice(members, size, replace=False)) for _ in range(config.bags)]
    selections = [select(problem, bag, config) for bag in bags]
    weights = np.mean([found.weights for found in selections], axis=0)
    score = float(problem.score(weights[None], config.objective)[0])
    return Found(weights, score, sum(found.evaluations for found in selections) + 1)


def select(problem: Problem, bag: np.ndarray, config: GreedyConfig) -> Found:
    """Take members until there are ``config.rounds``, each time the one that helps most, and keep the best on the way.

    Of equal scores the member named first, and the smaller ensemble, is taken.

    Args:
        problem: What is scored.
        bag: Indices of the members that may be taken, shape (B,).
        config: ``start``: so many of the best are taken at once at the beginning.
    """
    one = np.eye(problem.members)[bag]
    alone = problem.score(one, config.objective)
    taken = one[np.argsort(-alone, kind="stable")[: config.start]].sum(axis=0)
    best = taken / taken.sum()
    score = float(problem.score(taken[None] / taken.sum(), config.objective)[0])
    evaluations = len(bag) + 1
    while taken.sum() < config.rounds:
        grown = (taken + one) / (taken.sum() + 1)
        scores = problem.score(grown, config.objective)
        choice = int(scores.argmax())
        taken = taken + one[choice]
        evaluations += len(bag)
        if scores[choice] > score:
            best = grown[choice]
            score = float(scores[choice])
    return Found(best, score, evaluations)
