"""The methods that make one model of several: weights, or a regression, fitted on validation images."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from common.config.ensemble import EnsembleConfig
from common.errors import UserError
from evaluation.ensembles.genetic import fit_genetic
from evaluation.ensembles.greedy import fit_greedy
from evaluation.ensembles.objective import Problem
from evaluation.ensembles.optimisers import fit_cma, fit_differential
from evaluation.ensembles.stacking import Stacker, fit_stacking

_SEARCHES = {"genetic": fit_genetic, "cma": fit_cma, "differential": fit_differential, "greedy": fit_greedy}
METHODS = ("average", "best", *_SEARCHES, "stacking")


@dataclass(frozen=True, eq=False)
class Combiner:
    """Combines the probabilities of M members.

    Attributes:
        method: One of ``METHODS``.
        weights: Not negative, sum 1, float64, shape (M,); None for stacking.
        stacker: The regression of stacking; else None.
        facts: How it came to be, JSON-able: ``fitness`` (weighted F1 on the images of the fit), ``images``, ``seed``,
            ``settings`` (the method's keys), where weights were searched ``score`` (what was maximised) and
            ``evaluations``, and of stacking ``strength`` and ``log_loss``, see ``fit_stacking``.
    """

    method: str
    weights: np.ndarray | None
    stacker: Stacker | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def members(self) -> int:
        """M, the number of models that it combines."""
        if self.weights is None:
            return self.stacker.members
        return len(self.weights)

    def combine(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the ensemble's probabilities, float64, shape (N, K), of its members', shape (M, N, K).

        Raises:
            UserError: There are more or fewer members, or classes, than it was fitted for.
        """
        if len(probabilities) != self.members:
            raise UserError(f"the ensemble was fitted for {self.members} members, {len(probabilities)} were given")
        if self.weights is not None:
            return np.tensordot(self.weights, probabilities, axes=1)
        if probabilities.shape[2] != self.stacker.classes:
            given = probabilities.shape[2]
            raise UserError(f"the ensemble was fitted for {self.stacker.classes} classes, {given} were given")
        return self.stacker.combine(probabilities)

    def as_dict(self) -> dict[str, Any]:
        """Return all of it, JSON-able; ``from_dict`` reads it."""
        if self.weights is None:
            weights = None
        else:
            weights = self.weights.tolist()
        if self.stacker is None:
            stacker = None
        else:
            stacker = self.stacker.as_dict()
        return {"method": self.method, "weights": weights, "stacker": stacker, "facts": self.facts}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Combiner":
        """Return the combiner of which ``as_dict`` gave these values."""
        weights = values["weights"]
        stacker = values["stacker"]
        return cls(
            values["method"],
            None if weights is None else np.asarray(weights, dtype=np.float64),
            None if stacker is None else Stacker.from_dict(stacker),
            values["facts"],
        )


def fit(method: str, problem: Problem, config: EnsembleConfig, seed: int) -> Combiner:
    """Fit a combiner on the images of ``problem``; the same seed gives the same one.

    ``average`` weighs all alike, ``best`` is the member of highest weighted F1 (the first of equals) alone. Of the
    others each has its file in ``weighting/`` and its group of keys in ``config``.

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
        stacker, of_fit = fit_stacking(problem, config.stacking, seed)
        fitness = _fitness_of(stacker.combine(problem.probabilities), problem)
        return Combiner(method, None, stacker, {"fitness": fitness, **facts, **of_fit})
    weights, of_fit = _weights(method, problem, settings, seed)
    return Combiner(method, weights, None, {"fitness": float(problem.fitness(weights[None])[0]), **facts, **of_fit})


def _weights(method: str, problem: Problem, settings: Any, seed: int) -> tuple[np.ndarray, dict[str, Any]]:
    alone = np.eye(problem.members)
    if method == "average":
        return alone.mean(axis=0), {}
    if method == "best":
        return alone[int(problem.fitness(alone).argmax())], {}
    found = _SEARCHES[method](problem, settings, seed)
    return found.weights, {"score": found.score, "evaluations": found.evaluations}


def _fitness_of(probabilities: np.ndarray, problem: Problem) -> float:
    alone = Problem(probabilities[None], problem.labels, problem.positive_index, problem.classes)
    return float(alone.fitness(np.ones((1, 1)))[0])
