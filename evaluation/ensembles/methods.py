"""The methods that make one model of several: weights, or a regression, fitted on validation images."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from common.config.ensemble import EnsembleConfig
from common.errors import UserError
from evaluation.ensembles.genetic import fit_genetic
from evaluation.ensembles.greedy import fit_greedy
from evaluation.ensembles.objective import Problem, SearchResult
from evaluation.ensembles.optimisers import fit_cma, fit_differential
from evaluation.ensembles.stacking import Stacker, fit_stacking

_SEARCHES: dict[str, Callable[[Problem, Any, int], SearchResult]] = {
    "genetic": fit_genetic,
    "cma": fit_cma,
    "differential": fit_differential,
    "greedy": fit_greedy,
}
METHODS = ("average", "best", *_SEARCHES, "stacking")


@dataclass(frozen=True, eq=False)
class Combiner:
    """Combines the probabilities of M members, by weights or by a regression.

    Attributes:
        method: One of ``METHODS``.
        weights: Not negative, sum 1, float64, shape (M,); None for stacking.
        stacker: The regression of stacking; else None.
        facts: How it was fitted, JSON-able: ``fitness`` (weighted F1 on the images of the fit), ``images``, ``seed``,
            ``settings`` (the method's keys), for searches ``score`` (of the objective) and ``evaluations``, and for
            stacking ``strength`` and ``log_loss``, see ``fit_stacking``.
    """

    method: str
    weights: np.ndarray | None = None
    stacker: Stacker | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def members(self) -> int:
        """M, the number of models that it combines."""
        if self.weights is None:
            return self._regression.members
        return len(self.weights)

    @property
    def parameters(self) -> int:
        """The number of fitted numbers: none of an average, one choice of the best, else all weights but one."""
        if self.weights is None:
            return self._regression.coefficients.size + self._regression.intercepts.size
        return {"average": 0, "best": 1}.get(self.method, len(self.weights) - 1)

    def combine(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the ensemble's probabilities, float64, shape (N, K), of its members', shape (M, N, K).

        Raises:
            UserError: There are more or fewer members, or classes, than it was fitted for.
        """
        members, _, classes = probabilities.shape
        if members != self.members:
            raise UserError(f"the ensemble was fitted for {self.members} members, not for {members}")
        if self.weights is not None:
            return np.tensordot(self.weights, probabilities, axes=1)
        if classes != self._regression.classes:
            raise UserError(f"the ensemble was fitted for {self._regression.classes} classes, not for {classes}")
        return self._regression.combine(probabilities)

    @property
    def _regression(self) -> Stacker:
        if self.stacker is None:
            raise ValueError(f"{self.method}: neither weights nor a regression")
        return self.stacker

    def as_dict(self) -> dict[str, Any]:
        """Return all of it, JSON-able; ``from_dict`` reads it."""
        weights = None if self.weights is None else self.weights.tolist()
        stacker = None if self.stacker is None else self.stacker.as_dict()
        return {"method": self.method, "weights": weights, "stacker": stacker, "facts": self.facts}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Return the combiner that ``as_dict`` described."""
        weights = None
        stacker = None
        if values["weights"] is not None:
            weights = np.asarray(values["weights"], dtype=np.float64)
        if values["stacker"] is not None:
            stacker = Stacker.from_dict(values["stacker"])
        return cls(values["method"], weights, stacker, values["facts"])


def fit(method: str, problem: Problem, config: EnsembleConfig, seed: int) -> Combiner:
    """Fit a combiner on the images of ``problem``; the same seed gives the same one.

    ``average`` weighs all alike, ``best`` takes the member of highest weighted F1 alone (the first of equals). Each of
    the others has a module of its own and a group of keys in ``config``.

    Raises:
        UserError: The method is unknown, or the images do not suffice for it.
    """
    if method not in METHODS:
        raise UserError(f"there is no ensemble method {method}: choose one of {', '.join(METHODS)}")
    facts: dict[str, Any] = {"images": len(problem.labels), "seed": seed}
    settings = getattr(config, method, None)
    if settings is not None:
        facts["settings"] = settings.model_dump(mode="json")
    if method == "stacking":
        stacker, fit_facts = fit_stacking(problem, config.stacking, seed)
        combined = replace(problem, probabilities=stacker.combine(problem.probabilities)[None])
        fitness = float(combined.fitness(np.ones((1, 1)))[0])
        return Combiner(method, None, stacker, {"fitness": fitness, **facts, **fit_facts})
    each_alone = np.eye(problem.members)
    if method == "average":
        weights = each_alone.mean(axis=0)
    elif method == "best":
        weights = each_alone[int(problem.fitness(each_alone).argmax())]
    else:
        result = _SEARCHES[method](problem, settings, seed)
        weights = result.weights
        facts |= {"score": result.score, "evaluations": result.evaluations}
    return Combiner(method, weights, None, {"fitness": float(problem.fitness(weights[None])[0]), **facts})
