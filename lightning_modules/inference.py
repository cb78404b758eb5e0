"""From a trained classifier to predictions."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import LightningDataModule

from common.errors import UserError
from common.predictions import PROBABILITY_PREFIX, Predictions, uncertainty_of
from common.schema import Config
from lightning_modules.classifier import Classifier
from lightning_modules.staged_training import build_trainer


def predict(model: Classifier, data: LightningDataModule, config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Return the model's probabilities for every image that the datamodule's ``predict_dataloader`` serves.

    Args:
        model: The classifier, with the weights to judge.
        data: Its ``predict_dataloader`` serves each image once.
        config: The typed configuration.

    Returns:
        Manifest rows, int64 (N,), and probabilities, float64 (N, classes), of the same order.

    Raises:
        UserError: The model gives something else than numbers: its training went astray.
    """
    batches = build_trainer(config, None, [], []).predict(model, datamodule=data)
    rows = torch.cat([batch["index"] for batch in batches]).cpu().numpy()
    probabilities = torch.cat([batch["probability"] for batch in batches]).double().cpu().numpy()
    if not np.isfinite(probabilities).all():
        raise UserError("the trained model gives no numbers (NaN): lower the learning rates of unfreeze.stages")
    return rows, probabilities


def to_predictions(
    rows: np.ndarray,
    probabilities: np.ndarray,
    images: pd.DataFrame,
    parts: pd.Series,
    classes: tuple[str, ...],
    positive_class: str | None,
    about: dict[str, Any],
) -> Predictions:
    """Join probabilities with what is known of their images.

    Args:
        rows: Positions in ``images``, int64 (N,), each at most once.
        probabilities: float64 (N, classes).
        images: The manifest's frame: image_id, path, label, subject, cell, kind.
        parts: The part of each image, of the index of ``images``.
        classes: The class names, in the order of the probabilities.
        positive_class: The class whose probability is thresholded, None for more than two classes.
        about: Facts of the run, JSON-able.
    """
    if len(np.unique(rows)) != len(rows):
        raise ValueError("an image was predicted twice")
    frame = images.iloc[rows][["image_id", "path", "label", "subject", "cell", "kind"]].reset_index(drop=True)
    frame["part"] = parts.iloc[rows].to_numpy()
    # float32 softmax rows sum to 1 within 1e-7; the schema promises float64.
    probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
    for position, name in enumerate(classes):
        frame[PROBABILITY_PREFIX + name] = probabilities[:, position]
    frame["uncertainty"] = uncertainty_of(probabilities)
    return Predictions(frame, classes, positive_class, about)
