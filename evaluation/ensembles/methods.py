"""The methods that make one model of several, fitted on validation images, and their nested cross-validation."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from common.config.ensemble import EnsembleConfig
from common.errors import UserError
from evaluation.core.labelled import LabelledPredictions
from evaluation.ensembles.genetic import fit_genetic
from evaluation.ensembles.objective import Problem, SearchResult
from evaluation.ensembles.optimisers import fit_cma, fit_differential, fit_greedy
from evaluation.ensembles.stacking import Stacker, fit_stacking, subject_folds

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
    def parameters(self) -> int:
        """The number of fitted numbers: none of an average, one choice of the best, else all weights but one."""
        if self.stacker is not None:
            return self.stacker.coefficients.size + self.stacker.intercepts.size
        assert self.weights is not None
        return {"average": 0, "best": 1}.get(self.method, len(self.weights) - 1)

    def combine(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the ensemble's probabilities, float64, shape (N, K), of its members', shape (M, N, K).

        Raises:
            UserError: There are more or fewer members, or classes, than it was fitted for.
        """
        if self.stacker is not None:
            return self.stacker.combine(probabilities)
        assert self.weights is not None
        if len(self.weights) != len(probabilities):
            raise UserError(f"the ensemble was fitted for {len(self.weights)} members, not for {len(probabilities)}")
        return np.tensordot(self.weights, probabilities, axes=1)

    def as_dict(self) -> dict[str, Any]:
        """Return all of it, JSON-able; ``from_dict`` reads it."""
        weights = None if self.weights is None else self.weights.tolist()
        stacker = None if self.stacker is None else self.stacker.as_dict()
        return {"method": self.method, "weights": weights, "stacker": stacker, "facts": self.facts}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Return the combiner that ``as_dict`` described."""
        weights = None if values["weights"] is None else np.asarray(values["weights"], dtype=np.float64)
        stacker = None if values["stacker"] is None else Stacker.from_dict(values["stacker"])
        return cls(values["method"], weights, stacker, values["facts"])


def fit(method: str, problem: Problem, config: EnsembleConfig, seed: int) -> Combiner:
    """Fit a combiner on the images of ``problem``; the same seed gives the same one.

    ``average`` weighs all alike, ``best`` takes the member of highest weighted F1 alone (the first of equals). Each of
    the others has a group of keys in ``config``.

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
        weights, score, evaluations = _SEARCHES[method](problem, settings, seed)
        facts |= {"score": score, "evaluations": evaluations}
    return Combiner(method, weights, None, {"fitness": float(problem.fitness(weights[None])[0]), **facts})


def inner_folds(labelled: LabelledPredictions, folds: int, seed: int) -> np.ndarray:
    """Return the fold of each image, int64, shape (N,): no subject in two, about the same share of every class in each.

    Raises:
        UserError: There are fewer subjects than folds, or without one of the folds a class has no image left.
    """
    if labelled.cluster_count < folds:
        raise UserError(
            f"--nested {folds}: validation has {labelled.cluster_count} {labelled.unit}: name a smaller number"
        )
    try:
        fold_of = subject_folds(labelled.labels, labelled.clusters, folds, seed)
    except ValueError as error:
        raise UserError(f"--nested {folds}: {error}: name a smaller number") from error
    for fold in range(folds):
        missing = np.setdiff1d(labelled.labels, labelled.labels[fold_of != fold])
        if len(missing):
            raise UserError(
                f"--nested {folds}: without one of the folds validation has no {labelled.classes[missing[0]]}, which "
                f"too few {labelled.unit} have: name another number, or leave it out"
            )
    return fold_of


def predict_folds(problem: Problem, fold_of: np.ndarray, fit: Callable[[Problem], Combiner]) -> np.ndarray:
    """Predict each of the ``inner_folds`` by a combiner that was fitted on the others; probabilities, shape (N, K)."""
    probabilities = np.full(problem.probabilities.shape[1:], np.nan)
    for fold in np.unique(fold_of):
        test = fold_of == fold
        combiner = fit(problem.select(~test))
        probabilities[test] = combiner.combine(problem.probabilities[:, test])
    return probabilities
