"""From a trained classifier to predictions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pytorch_lightning import LightningDataModule

from common.config.schema import Config
from common.errors import UserError
from common.predictions import FACTS, PROBABILITY_PREFIX, Predictions, uncertainty_of
from common.uncertainty import summarise
from lightning_modules.callbacks import PredictionCollector
from lightning_modules.classifier import Classifier
from lightning_modules.distributed import gather_to_rank_zero, on_rank_zero
from lightning_modules.predictor import Predictor
from lightning_modules.trainer import build_trainer


@dataclass(frozen=True)
class Predicted:
    """What a model says of N images.

    Attributes:
        rows: Their manifest rows, int64, shape (N,).
        probabilities: Without dropout, float64, shape (N, classes).
        passes: Of each pass of Monte Carlo dropout, float32, shape (passes, N, classes); None without passes.
    """

    rows: np.ndarray
    probabilities: np.ndarray
    passes: np.ndarray | None = None


def predict(model: Classifier, data: LightningDataModule, config: Config) -> Predicted | None:
    """Return the model's probabilities for every image that the datamodule's ``predict_dataloader`` serves.

    Processes that share the images hand their predictions to the first one; the others get None. Process r of n serves
    the images r, r + n, r + 2 n, ... of the whole order, which is restored.

    Args:
        model: The classifier, with the weights to judge.
        data: Its ``predict_dataloader`` serves each image once.
        config: The typed configuration; ``inference.mc_passes`` says how many passes, ``seed`` what their masks are.

    Raises:
        UserError: The model gives something else than numbers: its training went astray. Or it has no dropout, and
            passes are asked for.
    """
    passes = config.inference.mc_passes
    collecting = PredictionCollector()
    trainer = build_trainer(config, callbacks=[collecting])
    predictor = Predictor(model, config.inference, config.seed)
    trainer.predict(predictor, datamodule=data, return_predictions=False)
    shares = gather_to_rank_zero(collecting.found())
    if shares is None:
        found = {}
    else:
        found = interleaved(shares)
    on_rank_zero(_check_finite, found)
    if shares is None:
        return None
    if not found:  # none of the images could be read
        shape = (0, model.num_classes)
        return Predicted(np.zeros(0, np.int64), np.zeros(shape), np.zeros((passes, *shape)) if passes else None)
    if passes:
        sampled = found["passes"].swapaxes(0, 1)
    else:
        sampled = None
    return Predicted(found["index"], found["probability"].astype(np.float64), sampled)


def interleaved(shares: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return rows by name in their whole order, of which the share of process r of n is the rows r, r + n, ..."""
    if len(shares) == 1:
        return shares[0]
    whole = {}
    for name in shares[0]:
        each = [share[name] for share in shares]
        whole[name] = np.empty((sum(map(len, each)), *each[0].shape[1:]), each[0].dtype)
        for rank, rows in enumerate(each):
            whole[name][rank :: len(each)] = rows
    return whole


def _check_finite(found: dict[str, np.ndarray]) -> None:
    if not all(np.isfinite(values).all() for values in found.values()):
        raise UserError("the trained model gives no numbers (NaN): lower the learning rates of unfreeze.stages")


def to_predictions(
    predicted: Predicted,
    images: pd.DataFrame,
    parts: pd.Series,
    classes: tuple[str, ...],
    positive_class: str | None,
    about: dict[str, Any],
) -> Predictions:
    """Join probabilities with what is known of their images.

    Args:
        predicted: Its rows are positions in ``images``, each at most once.
        images: The manifest's frame, with the columns ``predictions.FACTS``.
        parts: The part of each image, of the index of ``images``.
        classes: The class names, in the order of the probabilities.
        positive_class: The class whose probability is thresholded, None for more than two classes.
        about: Facts of the run, JSON-able.
    """
    rows = predicted.rows
    probabilities = predicted.probabilities
    if len(np.unique(rows)) != len(rows):
        raise ValueError("an image was predicted twice")
    frame = images.iloc[rows][list(FACTS)].reset_index(drop=True)
    frame["part"] = parts.iloc[rows].to_numpy()
    # float32 softmax rows sum to 1 within 1e-7; the schema promises float64.
    probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
    for position, name in enumerate(classes):
        frame[PROBABILITY_PREFIX + name] = probabilities[:, position]
    frame["uncertainty"] = uncertainty_of(probabilities)
    if predicted.passes is not None:
        frame = frame.join(summarise(predicted.passes, classes))
    return Predictions(frame, classes, positive_class, about)
