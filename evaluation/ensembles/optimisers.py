"""Two general optimisers for the weights of an ensemble.

Both try equal weights and every member alone first, so that none of these is fitter on the images of the fit than their
result, and both restart elsewhere until their budget is used up.
"""

import numpy as np
from scipy.optimize import differential_evolution
from scipy.special import softmax
from scipy.stats import qmc

from common.config.ensemble import CmaConfig, DifferentialConfig, Objective
from evaluation.ensembles.objective import Problem, SearchResult, normalise


class _Search:
    """Scores weights, counts them, and remembers the best, of equals the first."""

    def __init__(self, problem: Problem, objective: Objective) -> None:
        self.problem = problem
        self.objective = objective
        self.evaluations = 0
        self.best = np.full(problem.members, 1 / problem.members)
        self.best_score = -np.inf
        self(np.concatenate([self.best[None], np.eye(problem.members)]))

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        """Return the scores, shape (P,), of weights (P, M)."""
        scores = self.problem.score(weights, self.objective)
        first = int(scores.argmax())
        if scores[first] > self.best_score:
            self.best = weights[first].copy()
            self.best_score = float(scores[first])
        self.evaluations += len(weights)
        return scores

    def result(self) -> SearchResult:
        return SearchResult(self.best, self.best_score, self.evaluations)


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
    while search.evaluations + config.population <= config.evaluations:
        strategy = cma.CMAEvolutionStrategy(start, config.step, options)
        while not strategy.stop() and search.evaluations + config.population <= config.evaluations:
            logits = np.stack(strategy.ask())
            strategy.tell(list(logits), list(-search(softmax(logits, axis=1))))
        start = np.log(rng.dirichlet(np.ones(problem.members)))
    return search.result()


def fit_differential(problem: Problem, config: DifferentialConfig, seed: int) -> SearchResult:
    """Search by differential evolution (Storn and Price, 1997) on M numbers in [0, 1], which are then normalised."""
    rng = np.random.default_rng(seed)
    search = _Search(problem, config.objective)
    while (generations := (config.evaluations - search.evaluations) // config.population) > 0:
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
    return search.result()
