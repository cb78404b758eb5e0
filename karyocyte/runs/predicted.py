"""The probabilities of a model, joined with the facts of their images: what predictions.parquet holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from karyocyte.common.errors import UserError
from karyocyte.runs.predictions import (
    FACTS,
    OUT_OF_DISTRIBUTION,
    PROBABILITY_PREFIX,
    UPSIDE_DOWN,
    Predictions,
    uncertainty_of,
)


@dataclass(frozen=True)
class Predicted:
    """The predictions of N images; what was not asked for is None."""

    rows: np.ndarray  # manifest rows, int64, shape (N,)
    probabilities: np.ndarray  # without dropout, float64, shape (N, classes)
    passes: np.ndarray | None = None  # of Monte Carlo dropout, float32, shape (passes, N, classes)
    upside_down: np.ndarray | None = None  # probability that an image is turned by 180 degrees, float64, shape (N,)
    # How far each image is from the training images, float32, shape (N,), or (N, 2) of two distances.
    out_of_distribution: np.ndarray | None = None
    features: np.ndarray | None = None  # what the last layer takes, float32, shape (N, D)
    looks: np.ndarray | None = None  # brightness, contrast and sharpness, float32, shape (N, 8)

    @classmethod
    def of_arrays(
        cls, rows: np.ndarray, arrays: Mapping[str, np.ndarray], classes: int, passes: int = 0
    ) -> "Predicted":
        """Take what a network gives for the images of some rows, by name; nothing where none could be read."""
        sampled = arrays.get("passes", np.zeros((0, passes, classes)))
        upside_down = arrays.get(UPSIDE_DOWN)
        return cls(
            rows,
            arrays.get("probability", np.zeros((0, classes))).astype(np.float64),
            passes=sampled.swapaxes(0, 1) if passes else None,
            upside_down=None if upside_down is None else upside_down.astype(np.float64),
            out_of_distribution=arrays.get(OUT_OF_DISTRIBUTION),
            features=arrays.get("features"),
            looks=arrays.get("looks"),
        )


def joined_arrays(parts: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Join the arrays of parts by their names; {} of no part."""
    return {name: np.concatenate([part[name] for part in parts]) for name in (parts[0] if parts else ())}


def finite(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return what a network gave, by name; a ``UserError`` says that some of it is no number."""
    if not all(np.isfinite(values).all() for values in arrays.values()):
        raise UserError("the trained model gives no numbers (NaN): lower the learning rates of unfreeze.stages")
    return arrays


def to_predictions(
    predicted: Predicted,
    images: pd.DataFrame,
    parts: pd.Series,
    classes: tuple[str, ...],
    positive_class: str | None,
    about: dict[str, Any],
) -> Predictions:
    """Join probabilities with the facts of their images.

    ``images`` is the manifest's frame, with the columns ``predictions.FACTS``; ``parts`` has its index. ``classes`` are
    in the order of the probabilities, and ``about`` are facts of the run, JSON-able.
    """
    rows = predicted.rows
    probabilities = predicted.probabilities
    if len(np.unique(rows)) != len(rows):
        raise ValueError("an image was predicted twice")
    frame = images.iloc[rows][list(FACTS)].reset_index(drop=True)
    frame["part"] = parts.iloc[rows].to_numpy()
    # float32 softmax rows sum to 1 within 1e-7, and the schema promises float64
    exact = probabilities / probabilities.sum(axis=1, keepdims=True)
    frame = frame.join(pd.DataFrame(exact, columns=list(classes)).add_prefix(PROBABILITY_PREFIX))
    frame["uncertainty"] = uncertainty_of(probabilities)
    if predicted.upside_down is not None:
        frame[UPSIDE_DOWN] = predicted.upside_down
    if predicted.out_of_distribution is not None:
        frame[OUT_OF_DISTRIBUTION] = predicted.out_of_distribution.astype(np.float64)
    if predicted.passes is not None:
        from karyocyte.runs.uncertainty import summarise  # here: few networks take passes

        frame = frame.join(summarise(predicted.passes, classes))
    return Predictions(frame, classes, positive_class, about)
