"""The labelled images of one part as arrays, and which of them belong together."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from karyocyte.common.errors import UserError
from karyocyte.runs.predictions import Predictions


@dataclass(frozen=True)
class LabelledPredictions:
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
        return int(self.clusters.max(initial=-1)) + 1

    @property
    def subjects(self) -> int | None:
        """The number of subjects, None where none is known."""
        return self.cluster_count if self.by_subject else None

    @property
    def drawn(self) -> str:
        """What intervals take for independent: "subjects", "cells" or "images"."""
        if self.by_subject:
            return "subjects"
        return "cells" if self.by_cell else "images"

    def subset(self, rows: np.ndarray) -> "LabelledPredictions":
        """Return some of the images, by a mask of shape (N,), with their clusters renumbered."""
        clusters = np.unique(self.clusters[rows], return_inverse=True)[1].astype(np.int64)
        labels = self.labels[rows]
        return replace(self, labels=labels, probabilities=self.probabilities[rows], clusters=clusters, unlabelled=0)

    def count_images(self) -> dict[str, int]:
        """Return the number of images of each class."""
        counts = np.bincount(self.labels, minlength=len(self.classes))
        return dict(zip(self.classes, counts.tolist(), strict=True))

    def count_clusters(self) -> dict[str, int]:
        """Return the number of clusters that hold an image of each class."""
        pairs = pd.DataFrame({"label": self.labels, "cluster": self.clusters}).drop_duplicates()
        counts = np.bincount(pairs["label"], minlength=len(self.classes))
        return dict(zip(self.classes, counts.tolist(), strict=True))


def score(predictions: Predictions, *others: Predictions) -> LabelledPredictions:
    """Take the labelled rows of ``predictions`` (all parts that it holds), and then of ``others`` of the same classes.

    Raises:
        UserError: Two classes without a positive one, or a probability that is not a number.
    """
    if len(predictions.classes) == 2 and predictions.positive_class is None:
        raise UserError(f"predictions of {' and '.join(predictions.classes)} name no positive class: run them again")
    if others:
        frames = [each.frame for each in (predictions, *others)]
        predictions = replace(predictions, frame=pd.concat(frames, ignore_index=True))
    probabilities = predictions.probabilities
    broken = ~np.isfinite(probabilities).all(axis=1)
    if broken.any():
        first = predictions.frame["image_id"].iloc[int(np.flatnonzero(broken)[0])]
        raise UserError(
            f"{broken.sum()} images, {first} first, have a probability that is not a number: the training diverged, "
            "lower the learning rate"
        )
    labelled = predictions.labels >= 0
    rows = predictions.frame[labelled]
    subjects = rows["subject"].astype("object")
    cells = rows["cell"].astype("object")
    # The prefixes keep a subject from meeting an image that happens to be called the same.
    clusters = ("image " + rows["image_id"].astype("object")).mask(cells.notna(), "cell " + cells)
    clusters = clusters.mask(subjects.notna(), "subject " + subjects)
    return LabelledPredictions(
        labels=predictions.labels[labelled],
        probabilities=probabilities[labelled],
        classes=predictions.classes,
        positive_index=predictions.positive_index,
        clusters=pd.factorize(clusters)[0].astype(np.int64),
        by_subject=bool(subjects.notna().any()),
        unlabelled=int((~labelled).sum()),
        by_cell=bool(subjects.isna().all() and cells.notna().any()),
    )
