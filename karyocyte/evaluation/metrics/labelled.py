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
        drawn: What intervals take for independent: "subjects" or else "cells", where any is known, or "images".
        unlabelled: How many images were left out because their label is unknown.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    classes: tuple[str, ...]
    positive_index: int | None
    clusters: np.ndarray
    drawn: str = "images"
    unlabelled: int = 0

    @property
    def cluster_count(self) -> int:
        """C, the number of subjects (of cells, or images, where no subject is known)."""
        return int(self.clusters.max(initial=-1)) + 1

    @property
    def subjects(self) -> int | None:
        """The number of subjects, None where none is known."""
        return self.cluster_count if self.drawn == "subjects" else None

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
    drawn = "cells" if cells.notna().any() else "images"
    if subjects.notna().any():
        drawn = "subjects"
    return LabelledPredictions(
        labels=predictions.labels[labelled],
        probabilities=probabilities[labelled],
        classes=predictions.classes,
        positive_index=predictions.positive_index,
        clusters=pd.factorize(clusters)[0].astype(np.int64),
        drawn=drawn,
        unlabelled=int((~labelled).sum()),
    )
