"""Two general optimisers for the weights of an ensemble.

Both try equal weights and every member alone before all else, so that none of these is fitter on the images of the fit
than what they find, and both start again, elsewhere, until their budget is used up.
"""

import numpy as np
from scipy.optimize import differential_evolution
from scipy.special import softmax
from scipy.stats import qmc

from common.config.ensemble import CmaConfig, DifferentialConfig, Objective
from evaluation.ensembles.objective import Found, Problem, normalise


class _Search:
    """Scores weights, counts them, and remembers the best, of equals the first."""

    def __init__(self, problem: Problem, objective: Objective) -> None:
        self.problem = problem
        self.objective = objective
        self.evaluations = 0
        self.best, self.best_score = np.full(problem.members, 1 / problem.members), -np.inf
        self(np.concatenate([self.best[None], np.eye(problem.members)]))

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        """Return the scores, shape (P,), of weights (P, M)."""
        scores = self.problem.score(weights, self.objective)
        first = int(scores.argmax())
        if scores[first] > self.best_score:
            self.best, self.best_score = weights[first].copy(), float(scores[first])
        self.evaluations += len(weights)
        return scores

    def found(self) -> Found:
        return Found(self.best, self.best_score, self.evaluations)


def fit_cma(problem: Problem, config: CmaConfig, seed: int) -> Found:
    """Search by CMA-ES (Hansen and Ostermeier, 2001) on M logits, of which the softmax is the weights.

    It begins at equal weights; once a run has converged, or all of a generation are on one step of F1, the next begins
    at a random place, uniform on the simplex.
    """
    # It loads matplotlib, which takes a second.
    import cma

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
    return search.found()


def fit_differential(problem: Problem, config: DifferentialConfig, seed: int) -> Found:
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
            # It ends only when the whole population is on one step of F1; a gradient would not lead off it.
            tol=0.0,
            polish=False,
            vectorized=True,
            updating="deferred",
            rng=rng,
        )
    return search.found()
