"""Stacking: a logistic regression that reads the members' log-odds and says the class (Wolpert, 1992).

Of two classes it fits a number per member and one more. Of K > 2, where each class would have numbers of its own for
every class of every member, M K^2 of them, far more than the validation images carry, it fits one per member, whatever
the class, and one per class: a weighted product of the members' probabilities. ``kind: full`` fits them all.
"""

import warnings
from collections.abc import Iterator
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

# Probabilities nearer to 0 or 1 say no more: one sure member must not drown all others.
LEAST = 1e-6
STEPS = 10_000


@dataclass(frozen=True, eq=False)
class Stacker:
    """A fitted regression from the probabilities of M members to those of the ensemble.

    Attributes:
        members: M.
        classes: K.
        seen: The S classes that had images, rising; any other gets probability 0.
        coefficients: Float64. K > 2: shape (M,), shared by all classes, or (S, M * K), member by member. Two classes:
            shape (1, M), which tell the second one apart; S is 1.
        intercepts: Float64, shape (S,).
    """

    members: int
    classes: int
    seen: np.ndarray
    coefficients: np.ndarray
    intercepts: np.ndarray

    def combine(self, probabilities: np.ndarray) -> np.ndarray:
        """Return probabilities, float64, shape (N, K), of the members', shape (M, N, K)."""
        found = np.zeros(probabilities.shape[1:])
        found[:, self.seen] = softmax(self._logits(features(probabilities)), axis=1)
        return found

    def log_loss(self, inputs: np.ndarray, labels: np.ndarray) -> float:
        """Return the sum over images of -log of the true class's probability, nats; inputs as of ``features``."""
        logs = np.full((len(labels), self.classes), np.log(np.finfo(np.float64).eps))
        logs[:, self.seen] = np.maximum(log_softmax(self._logits(inputs), axis=1), logs[:, self.seen])
        return -float(logs[np.arange(len(labels)), labels].sum())

    def _logits(self, inputs: np.ndarray) -> np.ndarray:
        if self.coefficients.ndim == 1:
            return by_class(inputs, self.members)[:, self.seen] @ self.coefficients + self.intercepts
        logits = inputs @ self.coefficients.T + self.intercepts
        if logits.shape[1] > 1:
            return logits
        return np.concatenate([np.zeros_like(logits), logits], axis=1)

    def as_dict(self) -> dict[str, Any]:
        """Return all of it, JSON-able."""
        arrays = {name: getattr(self, name).tolist() for name in ("seen", "coefficients", "intercepts")}
        return {"members": self.members, "classes": self.classes, **arrays}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Stacker":
        """Return the regression of which ``as_dict`` gave these values."""
        arrays = [np.asarray(values[name]) for name in ("seen", "coefficients", "intercepts")]
        return cls(values["members"], values["classes"], *arrays)


def features(probabilities: np.ndarray) -> np.ndarray:
    """Return what the regression reads, float64, of probabilities (M, N, K).

    Two classes: the log-odds of the second one, shape (N, M). More: the log-probabilities, shape (N, M * K).
    """
    members, images, classes = probabilities.shape
    if classes == 2:
        second = np.clip(probabilities[:, :, 1], LEAST, 1 - LEAST)
        return (np.log(second) - np.log1p(-second)).T
    return np.log(np.maximum(probabilities, LEAST)).transpose(1, 0, 2).reshape(images, members * classes)


def by_class(inputs: np.ndarray, members: int) -> np.ndarray:
    """Return the log-probabilities of ``features``, shape (N, M * K), as (N, K, M)."""
    return inputs.reshape(len(inputs), members, -1).swapaxes(1, 2)


def fit_stacking(problem: Problem, config: StackingConfig, seed: int) -> tuple[Stacker, dict[str, Any]]:
    """Fit the regression that ``config.kind`` names; its L2 penalty is the one of least log loss on inner folds.

    No subject is on two sides of an inner fold (no image, where no subject is known). Of equal ones the stronger
    penalty is taken.

    Returns:
        The regression, and ``strength`` (scikit-learn's C) with ``log_loss``: the mean of each strength, by its text.

    Raises:
        UserError: The images are all of one class, or too few subjects for inner folds.
    """
    inputs = features(problem.probabilities)
    labels = problem.labels
    if len(np.unique(labels)) < 2:
        raise UserError(f"stacking needs validation images of two classes: all are {problem.classes[labels[0]]}")
    strengths = sorted(set(config.strengths))
    if len(strengths) == 1:
        return _fit(problem, inputs, np.arange(len(labels)), strengths[0], config.kind), {"strength": strengths[0]}
    folds = list(_folds(problem, config.folds, seed))
    if not folds:
        raise UserError(
            "stacking chooses its penalty on folds of the validation subjects, and there are too few of them: "
            "name one, such as stacking.strengths=[0.1]"
        )
    tested = sum(len(test) for _, test in folds)
    losses = [
        sum(
            _fit(problem, inputs, train, strength, config.kind).log_loss(inputs[test], labels[test])
            for train, test in folds
        )
        for strength in strengths
    ]
    strength = strengths[int(np.argmin(losses))]
    facts = {str(tried): loss / tested for tried, loss in zip(strengths, losses, strict=True)}
    stacker = _fit(problem, inputs, np.arange(len(labels)), strength, config.kind)
    return stacker, {"strength": strength, "log_loss": facts}


def _fit(problem: Problem, inputs: np.ndarray, rows: np.ndarray, strength: float, kind: Kind) -> Stacker:
    inputs = inputs[rows]
    labels = problem.labels[rows]
    classes = len(problem.classes)
    if kind == "shared" and classes > 2:
        fitted = _fit_shared(by_class(inputs, problem.members), labels, strength)
    else:
        fitted = _fit_full(inputs, labels, strength)
    return Stacker(problem.members, classes, np.unique(labels), *fitted)


def _fit_full(inputs: np.ndarray, labels: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's coefficients and intercepts."""
    # The same regression, since intercepts are not penalised, in a third of the steps.
    middle = inputs.mean(axis=0)
    model = LogisticRegression(C=strength, max_iter=STEPS, tol=1e-6).fit(inputs - middle, labels)
    return model.coef_, model.intercept_ - model.coef_ @ middle


def _fit_shared(logs: np.ndarray, labels: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a coefficient per member and an intercept per class that occurs; both are penalised.

    Args:
        logs: Log-probabilities, shape (N, K, M).
        labels: Classes, shape (N,).
        strength: What the log loss is multiplied by; the penalty is half the sum of squares.
    """
    seen, classes = np.unique(labels, return_inverse=True)
    logs, members = logs[:, seen], logs.shape[2]
    truth = np.eye(len(seen))[classes]

    def loss(numbers: np.ndarray) -> tuple[float, np.ndarray]:
        found = log_softmax(logs @ numbers[:members] + numbers[members:], axis=1)
        excess = np.exp(found) - truth
        slope = np.concatenate([np.tensordot(excess, logs, axes=2), excess.sum(axis=0)])
        return numbers @ numbers / 2 - strength * (found * truth).sum(), numbers + strength * slope

    options = {"maxiter": STEPS, "ftol": 1e-13, "gtol": 1e-7}
    numbers = minimize(loss, np.zeros(members + len(seen)), jac=True, method="L-BFGS-B", options=options).x
    return numbers[:members], numbers[members:]


def _folds(problem: Problem, folds: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the train and test rows of the inner folds; without a fold whose train rows are all of one class."""
    labels = problem.labels
    if problem.clusters is None:
        clusters = np.arange(len(labels))
    else:
        clusters = problem.clusters
    count = min(folds, len(np.unique(clusters)), int(np.bincount(labels).max()))
    if count < 2:
        return
    # Subjects often have one class: unless stratified, a fold may train on hardly any image of the other.
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")
        splits = list(splitter.split(labels, labels, clusters))
    for train, test in splits:
        if len(test) and len(np.unique(labels[train])) > 1:
            yield train, test
