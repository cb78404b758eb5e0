"""Greedy selection and two general optimisers for the weights of an ensemble.

Both optimisers try equal weights and every member alone first, so that none of these is fitter on the images of the fit
than their result, and both restart elsewhere until their budget is used up.
"""

import numpy as np
from scipy.optimize import differential_evolution
from scipy.special import softmax
from scipy.stats import qmc

from common.config.ensemble import CmaConfig, DifferentialConfig, GreedyConfig, Objective
from evaluation.ensembles.objective import Problem, SearchResult, normalise


def fit_greedy(problem: Problem, config: GreedyConfig, seed: int) -> SearchResult:
    """Select members one by one, with replacement (Caruana et al., ICML 2004); weights are how often each is selected.

    With several bags the result is their mean. A bag is a random share of the members, at least one; it keeps the
    selection from clinging to a few (section 2.3 of the paper, its sorted initialisation 2.2).
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
    """Add members of a bag (indices), each time the one that helps most; return the best ensemble on the way.

    It begins with the ``config.start`` best members and ends at ``config.rounds``. Of equal scores the member named
    first, and the smaller ensemble, is taken.
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


class _Search:
    """Scores weights, counts them, and remembers the best, of equals the first."""

    def __init__(self, problem: Problem, objective: Objective) -> None:
        self.problem = problem
        self.objective = objective
        equal = np.full(problem.members, 1 / problem.members)
        self.result = SearchResult(equal, -np.inf, 0)
        self(np.concatenate([equal[None], np.eye(problem.members)]))

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        """Return the scores, shape (P,), of weights (P, M)."""
        scores = self.problem.score(weights, self.objective)
        best, score, evaluations = self.result
        first = int(scores.argmax())
        if scores[first] > score:
            best = weights[first].copy()
            score = float(scores[first])
        self.result = SearchResult(best, score, evaluations + len(weights))
        return scores


def fit_cma(problem: Problem, config: CmaConfig, seed: int) -> SearchResult:
    """Search by CMA-ES (Hansen and Ostermeier, 2001) on M logits, whose softmax is the weights.

    It begins at equal weights; once it has converged, or a whole generation has the same F1, it restarts at weights
    drawn uniformly from the simplex.
    """
    import cma  # loads matplotlib, which takes a second

    rng = np.random.default_rng(seed)
    search = _Search(problem, config.objective)
    options = {
        "popsize": config.population,
        "verbose": -9,
        "verb_log": 0,
        "signals_filename": "",
        # Without it the generator that numpy shares with everyone would be reseeded and drawn from.
        "randn": lambda *shape: rng.standard_normal(shape),
    }
    start = np.zeros(problem.members)
    while search.result.evaluations + config.population <= config.evaluations:
        strategy = cma.CMAEvolutionStrategy(start, config.step, options)
        while not strategy.stop() and search.result.evaluations + config.population <= config.evaluations:
            logits = np.stack(strategy.ask())
            strategy.tell(list(logits), list(-search(softmax(logits, axis=1))))
        start = np.log(rng.dirichlet(np.ones(problem.members)))
    return search.result


def fit_differential(problem: Problem, config: DifferentialConfig, seed: int) -> SearchResult:
    """Search by differential evolution (Storn and Price, 1997) on M numbers in [0, 1], which are then normalised."""
    rng = np.random.default_rng(seed)
    search = _Search(problem, config.objective)
    while (generations := (config.evaluations - search.result.evaluations) // config.population) > 0:
        differential_evolution(
            lambda genes: -search(normalise(genes.T)),
            [(0.0, 1.0)] * problem.members,
            strategy=config.strategy,
            maxiter=generations - 1,
            init=qmc.LatinHypercube(problem.members, rng=rng).random(config.population),
            mutation=config.mutation,
            recombination=config.recombination,
            # It ends only when the whole population has the same F1; a gradient would not improve on that.
            tol=0.0,
            polish=False,
            vectorized=True,
            updating="deferred",
            rng=rng,
        )
    return search.result
