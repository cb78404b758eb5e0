"""The labelled images of one part as arrays, and which of them belong together."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from common.errors import UserError
from common.predictions import Predictions


@dataclass(frozen=True)
class Scored:
    """Labels and probabilities of the images whose label is known.

    Attributes:
        labels: True classes as indices into ``classes``, int64, shape (N,).
        probabilities: Float64 in 0 to 1, shape (N, K).
        classes: The K class names.
        positive_index: The positive one of two classes; None for K > 2.
        clusters: Which images are resampled together, int64 in 0 to C - 1, shape (N,): those of one subject; where it
            is unknown, those of one cell; an image of neither is alone.
        by_subject: Whether any subject is known.
        unlabelled: How many images were left out because their label is unknown.
        by_cell: Whether subjects are unknown, and any cell is known.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    classes: tuple[str, ...]
    positive_index: int | None
    clusters: np.ndarray
    by_subject: bool
    unlabelled: int
    by_cell: bool = False

    @property
    def cluster_count(self) -> int:
        """C, the number of subjects (of cells, or images, where no subject is known)."""
        return int(self.clusters.max()) + 1 if self.clusters.size else 0

    @property
    def subjects(self) -> int | None:
        """The number of subjects, None where none is known."""
        return self.cluster_count if self.by_subject else None

    def count_images(self) -> dict[str, int]:
        """Return the number of images of each class."""
        counts = np.bincount(self.labels, minlength=len(self.classes))
        return dict(zip(self.classes, counts.tolist(), strict=True))

    def count_clusters(self) -> dict[str, int]:
        """Return the number of clusters that hold an image of each class."""
        return {name: len(np.unique(self.clusters[self.labels == i])) for i, name in enumerate(self.classes)}


def score(predictions: Predictions) -> Scored:
    """Take the labelled rows of ``predictions`` (all parts that it holds).

    Raises:
        UserError: Two classes without a positive one, or a probability that is not a number.
    """
    if len(predictions.classes) == 2 and predictions.positive_class is None:
        raise UserError(f"predictions of {' and '.join(predictions.classes)} name no positive class: run them again")
    probabilities = predictions.probabilities
    broken = ~np.isfinite(probabilities).all(axis=1)
    if broken.any():
        first = predictions.frame["image_id"].iloc[int(np.flatnonzero(broken)[0])]
        raise UserError(
            f"{broken.sum()} images, {first} first, have a probability that is not a number: the training diverged, "
            "lower the learning rate"
        )
    known = predictions.labels >= 0
    subjects, cells = predictions.frame["subject"][known], predictions.frame["cell"][known]
    return Scored(
        labels=predictions.labels[known],
        probabilities=probabilities[known],
        classes=predictions.classes,
        positive_index=predictions.positive_index,
        clusters=_clusters(subjects, cells, predictions.frame["image_id"][known]),
        by_subject=bool(subjects.notna().any()),
        unlabelled=int((~known).sum()),
        by_cell=bool(subjects.isna().all() and cells.notna().any()),
    )


def _clusters(subjects: pd.Series, cells: pd.Series, image_ids: pd.Series) -> np.ndarray:
    # The prefixes keep a subject from meeting an image that happens to be called the same.
    names = ("cell " + cells.astype("object")).where(cells.notna(), "image " + image_ids.astype("object"))
    names = ("subject " + subjects.astype("object")).where(subjects.notna(), names)
    return pd.factorize(names)[0].astype(np.int64)
