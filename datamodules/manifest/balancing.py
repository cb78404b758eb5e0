"""How unequal classes of the train part are evened out."""

from dataclasses import dataclass, replace

import numpy as np

from karyocyte.common.errors import UserError


@dataclass(frozen=True)
class BalancePlan:
    """The items of an epoch and their weights."""

    rows: np.ndarray  # manifest rows, int64, shape (items,)
    copy: np.ndarray  # 0 for an original, n for the n-th extra copy of a row, int64, shape (items,)
    sample_weights: np.ndarray | None = None  # of draws with replacement, float64 (items,); None: every item once

    def weighted(self, weights: np.ndarray) -> "BalancePlan":
        """Return a plan that draws with weights of the manifest rows, shape (images,), beside those that it has."""
        weights = weights[self.rows].astype(np.float64)
        if self.sample_weights is not None:
            weights = weights * self.sample_weights
        return replace(self, sample_weights=weights)


def plan(labels: np.ndarray, rows: np.ndarray, classes: int, name: str, seed: int) -> BalancePlan:
    """Plan the train part.

    ``none`` takes every image once. ``paper`` (004, section 3.1) brings each of K classes to 1/K of the train part's
    size: a larger one is subsampled, a smaller one gets extra copies, drawn without replacement and round again only
    when all have been drawn. ``hem_all`` (003, section 2) gives each image of the smaller of two classes one copy, as
    far as that is needed, and subsamples the larger to the same number. ``weighted_sampling`` draws each class equally
    often.

    Args:
        labels: Class indices of the train images, int64, shape (n,).
        rows: Their manifest rows, int64, shape (n,).
        classes: K, the number of classes; each must be there.
        name: "none", "paper", "hem_all" or "weighted_sampling".
        seed: Of the draws.

    Raises:
        UserError: "hem_all" meets more than two classes.
    """
    counts = np.bincount(labels, minlength=classes)
    once = np.zeros(len(rows), np.int64)
    match name:
        case "none":
            return BalancePlan(rows, once)
        case "paper":
            rng = np.random.default_rng(seed)
            drawn = [_to_count(rows[labels == index], len(rows) // classes, rng) for index in range(classes)]
            return BalancePlan(*np.concatenate(drawn, axis=1))
        case "hem_all":
            return _hem_all(labels, rows, np.random.default_rng(seed))
        case "weighted_sampling":
            return BalancePlan(rows, once, sample_weights=len(rows) / (classes * counts[labels]))
    raise ValueError(f"no balance plan is called {name}")


def even_out(smaller: int, larger: int, most: int | None = None) -> tuple[int, int]:
    """Return how many images of the smaller class get one copy, and how many of the larger class are kept.

    Paper 003, section 2, does not print the two numbers. This is the reading that gives its total: all 3,389 HEM are
    turned once, and 7,055 of 7,272 ALL are kept: 13,833 images. At ``most`` so many images are left in all; without it
    the larger class is cut down to the number of the other.

    Raises:
        UserError: ``most`` leaves no image of the larger class.
    """
    copies = min(smaller, larger - smaller)
    kept = min(larger, smaller + copies if most is None else most - smaller - copies)
    if kept < 1:
        raise UserError(f"data.images={most} are too few: {smaller + copies:,} are those of the smaller class")
    return copies, kept


def drawn_rows(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw ``count`` of the rows without replacement, in ascending order."""
    return np.sort(rng.choice(rows, count, replace=False))


def _hem_all(labels: np.ndarray, rows: np.ndarray, rng: np.random.Generator) -> BalancePlan:
    counts = np.bincount(labels)
    if len(counts) != 2:
        raise UserError(f"balance=hem_all evens out two classes, there are {len(counts)}: set another balance")
    small = rows[labels == counts.argmin()]
    large = rows[labels != counts.argmin()]
    copies, kept = even_out(len(small), len(large))
    copied = drawn_rows(small, copies, rng)
    chosen = drawn_rows(large, kept, rng)
    copy = np.concatenate([np.zeros(len(small) + kept, np.int64), np.ones(copies, np.int64)])
    return BalancePlan(np.concatenate([small, chosen, copied]), copy)


def _to_count(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """``count`` of the rows of one class, with copies where there are too few, and the number of each: (2, count)."""
    if len(rows) >= count:
        return np.stack([drawn_rows(rows, count, rng), np.zeros(count, np.int64)])
    rounds = -(-count // len(rows))
    dealt = np.concatenate([rows, *(rng.permutation(rows) for _ in range(rounds - 1))])
    return np.stack([dealt, np.repeat(np.arange(rounds), len(rows))])[:, :count]
