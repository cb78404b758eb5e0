"""Stacking: a logistic regression on the members' log-odds (Wolpert, 1992).

Two classes: a coefficient per member and an intercept. K > 2 classes, where a full regression has M K^2 coefficients,
far more than the validation images can fix: one coefficient per member, shared by all classes, and one intercept per
class, a weighted product of the members' probabilities. ``kind: full`` fits them all.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold

from common.config.ensemble import Kind, StackingConfig
from common.errors import UserError
from evaluation.ensembles.objective import Problem

LEAST = 1e-6  # probabilities are clipped here, so that one overconfident member does not outweigh all others
STEPS = 10_000


@dataclass(frozen=True, eq=False)
class Stacker:
    """A fitted regression from the probabilities of M members, of K classes, to those of the ensemble.

    Attributes:
        seen: The S classes with images in the fit, ascending; any other gets probability 0.
        coefficients: Float64. K > 2: shape (M,), shared by all classes, or (S, M * K), member by member. Two classes:
            shape (1, M), for the second one; S is 1.
        intercepts: Float64, shape (S,).
    """

    members: int
    classes: int
    seen: np.ndarray
    coefficients: np.ndarray
    intercepts: np.ndarray

    def combine(self, probabilities: np.ndarray) -> np.ndarray:
        """Return probabilities, float64, shape (N, K), of the members', shape (M, N, K).

        Raises:
            UserError: There are more or fewer members, or classes, than it was fitted for.
        """
        members, _, classes = probabilities.shape
        if members != self.members:
            raise UserError(f"the ensemble was fitted for {self.members} members, not for {members}")
        if classes != self.classes:
            raise UserError(f"the ensemble was fitted for {self.classes} classes, not for {classes}")
        combined = np.zeros(probabilities.shape[1:])
        combined[:, self.seen] = softmax(self._logits(features(probabilities)), axis=1)
        return combined

    def log_loss(self, inputs: np.ndarray, labels: np.ndarray) -> float:
        """Return the sum over images of -log of the true class's probability, nats; ``inputs`` see ``features``."""
        logs = np.full((len(labels), self.classes), np.log(np.finfo(np.float64).eps))
        logs[:, self.seen] = np.maximum(log_softmax(self._logits(inputs), axis=1), logs[:, self.seen])
        return -float(logs[np.arange(len(labels)), labels].sum())

    def _logits(self, inputs: np.ndarray) -> np.ndarray:
        if self.coefficients.ndim == 1:
            return np.asarray(by_class(inputs, self.members)[:, self.seen] @ self.coefficients + self.intercepts)
        logits = inputs @ self.coefficients.T + self.intercepts
        if logits.shape[1] > 1:
            return np.asarray(logits)
        return np.concatenate([np.zeros_like(logits), logits], axis=1)

    def as_dict(self) -> dict[str, Any]:
        """Return all of it, JSON-able."""
        return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in vars(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Stacker":
        """Return the regression that ``as_dict`` described."""
        arrays = {name: np.asarray(values[name]) for name in ("seen", "coefficients", "intercepts")}
        return cls(values["members"], values["classes"], **arrays)


def features(probabilities: np.ndarray) -> np.ndarray:
    """Return log-odds of the second of two classes (N, M), or log-probabilities (N, M * K), from probabilities."""
    members, images, classes = probabilities.shape
    if classes == 2:
        second = np.clip(probabilities[:, :, 1], LEAST, 1 - LEAST)
        return np.asarray((np.log(second) - np.log1p(-second)).T)
    return np.asarray(np.log(np.maximum(probabilities, LEAST)).transpose(1, 0, 2).reshape(images, members * classes))


def by_class(inputs: np.ndarray, members: int) -> np.ndarray:
    """Return the log-probabilities of ``features``, shape (N, M * K), as (N, K, M)."""
    return inputs.reshape(len(inputs), members, -1).swapaxes(1, 2)


def fit_stacking(problem: Problem, config: StackingConfig, seed: int) -> tuple[Stacker, dict[str, Any]]:
    """Fit the regression that ``config.kind`` names, with the L2 penalty of least log loss on inner folds.

    No subject is on two sides of an inner fold (no image, where subjects are unknown). Of equals the strongest
    penalty is taken.

    Returns:
        The regression, and its ``strength`` (scikit-learn's C) with ``log_loss``, the mean of each strength tried.

    Raises:
        UserError: The images are all of one class, or too few subjects for inner folds.
    """
    inputs = features(problem.probabilities)
    labels = problem.labels
    if len(np.unique(labels)) < 2:
        raise UserError(f"stacking needs validation images of two classes: all are {problem.classes[labels[0]]}")
    strengths = sorted(set(config.strengths))
    everything = np.ones(len(labels), dtype=bool)
    if len(strengths) == 1:
        return _fit(problem, inputs, everything, strengths[0], config.kind), {"strength": strengths[0]}
    clusters = np.arange(len(labels)) if problem.clusters is None else problem.clusters
    count = min(config.folds, len(np.unique(clusters)), int(np.bincount(labels).max()))
    fold_of = subject_folds(labels, clusters, count, seed) if count > 1 else np.zeros(len(labels), dtype=np.int64)
    # A fold is left out where its training images are all of one class.
    tests = [fold_of == fold for fold in np.unique(fold_of)]
    tests = [test for test in tests if len(np.unique(labels[~test])) > 1]
    if not tests:
        raise UserError(
            "stacking chooses its penalty on folds of the validation subjects, and there are too few of them: "
            "name one, such as stacking.strengths=[0.1]"
        )
    losses = {}
    for strength in strengths:
        loss = 0.0
        for test in tests:
            loss += _fit(problem, inputs, ~test, strength, config.kind).log_loss(inputs[test], labels[test])
        losses[strength] = loss / np.sum(tests)
    strength = min(losses, key=losses.__getitem__)
    stacker = _fit(problem, inputs, everything, strength, config.kind)
    return stacker, {"strength": strength, "log_loss": {str(tried): float(loss) for tried, loss in losses.items()}}


def subject_folds(labels: np.ndarray, clusters: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Return the fold of each image, int64, shape (N,): no cluster is in two, and each class is spread over them.

    Subjects often have one class: unless stratified, a fold may train on hardly any image of the other.

    Raises:
        ValueError: Every class has fewer images than there are folds.
    """
    fold_of = np.full(len(labels), -1)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")
        for fold, (_, rows) in enumerate(splitter.split(labels, labels, clusters)):
            fold_of[rows] = fold
    return fold_of


def _fit(problem: Problem, inputs: np.ndarray, rows: np.ndarray, strength: float, kind: Kind) -> Stacker:
    inputs = inputs[rows]
    labels = problem.labels[rows]
    classes = len(problem.classes)
    if kind == "shared" and classes > 2:
        coefficients, intercepts = _fit_shared(by_class(inputs, problem.members), labels, strength)
    else:
        # Centred: the same regression, since intercepts are not penalised, in a third of the steps.
        middle = inputs.mean(axis=0)
        model = LogisticRegression(C=strength, max_iter=STEPS, tol=1e-6).fit(inputs - middle, labels)
        coefficients = model.coef_
        intercepts = model.intercept_ - coefficients @ middle
    return Stacker(problem.members, classes, np.unique(labels), coefficients, intercepts)


def _fit_shared(logs: np.ndarray, labels: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a coefficient per member and an intercept per class that occurs, from log-probabilities (N, K, M).

    ``strength`` is the factor of the log loss; the penalty is half the sum of squares of all of them.
    """
    seen, classes = np.unique(labels, return_inverse=True)
    logs = np.ascontiguousarray(logs[:, seen])  # else each step copies it
    members = logs.shape[2]
    truth = np.eye(len(seen))[classes]

    def loss(numbers: np.ndarray) -> tuple[float, np.ndarray]:
        predicted = log_softmax(logs @ numbers[:members] + numbers[members:], axis=1)
        excess = np.exp(predicted) - truth
        slope = np.concatenate([np.tensordot(excess, logs, axes=2), excess.sum(axis=0)])
        return numbers @ numbers / 2 - strength * (predicted * truth).sum(), numbers + strength * slope

    options = {"maxiter": STEPS, "ftol": 1e-13, "gtol": 1e-7}
    numbers = minimize(loss, np.zeros(members + len(seen)), jac=True, method="L-BFGS-B", options=options).x
    return numbers[:members], numbers[members:]
