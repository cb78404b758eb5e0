"""How unequal classes of the train part are evened out."""

from dataclasses import dataclass

import numpy as np
from sklearn.utils.class_weight import compute_class_weight


@dataclass(frozen=True)
class BalancePlan:
    """What an epoch trains on, and with which weights.

    Attributes:
        rows: Manifest rows, int64, shape (items,).
        copy: 0 for an original, n for the n-th extra copy of a row, int64, shape (items,).
        sample_weights: With which weight each item is drawn, with replacement, float64, shape (items,), mean 1; None
            where every item is taken once.
        class_weights: Weight of each class in the loss, float64, shape (classes,); None where all weigh the same.
    """

    rows: np.ndarray
    copy: np.ndarray
    sample_weights: np.ndarray | None = None
    class_weights: np.ndarray | None = None


def plan(labels: np.ndarray, rows: np.ndarray, classes: int, name: str, seed: int) -> BalancePlan:
    """Plan the train part.

    ``none`` takes every image once. ``paper`` (004, section 3.1) brings each of K classes to 1/K of the train part's
    size: a larger one is subsampled, a smaller one gets extra copies, drawn without replacement and round again only
    when all have been drawn. ``weighted_sampling`` draws each class equally often; ``class_weights`` weighs the loss
    by n / (K * n_c).

    Args:
        labels: Class indices of the train images, int64, shape (n,).
        rows: Their manifest rows, int64, shape (n,).
        classes: K, the number of classes; each must be there.
        name: "none", "paper", "weighted_sampling" or "class_weights".
        seed: Of the draws.

    Raises:
        ValueError: A class has no image, or the name is unknown.
    """
    rows = np.asarray(rows, np.int64)
    counts = np.bincount(labels, minlength=classes)
    if (counts == 0).any():
        raise ValueError(f"class {int(counts.argmin())} has no train image")
    once = np.zeros(len(rows), np.int64)
    match name:
        case "none":
            return BalancePlan(rows, once)
        case "paper":
            rng = np.random.default_rng(seed)
            drawn = [_to_count(rows[labels == index], len(rows) // classes, rng) for index in range(classes)]
            return BalancePlan(*(np.concatenate(pieces) for pieces in zip(*drawn, strict=True)))
        case "weighted_sampling":
            return BalancePlan(rows, once, sample_weights=len(rows) / (classes * counts[labels]))
        case "class_weights":
            weights = compute_class_weight("balanced", classes=np.arange(classes), y=labels)
            return BalancePlan(rows, once, class_weights=weights.astype(np.float64))
    raise ValueError(f"no balance plan is called {name}")


def _to_count(rows: np.ndarray, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return ``count`` of the rows of one class, with copies where there are too few, and the number of each copy."""
    if len(rows) >= count:
        chosen = np.sort(rng.choice(rows, count, replace=False))
        return chosen, np.zeros(count, np.int64)
    rounds = -(-count // len(rows))
    dealt = [rows, *(rng.permutation(rows) for _ in range(rounds - 1))]
    return np.concatenate(dealt)[:count], np.repeat(np.arange(rounds), len(rows))[:count]
