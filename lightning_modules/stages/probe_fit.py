"""A linear probe: the head of a frozen network, fitted to features that are computed once, by logistic regression.

The fitted coefficients become the weights of the head's last layer, so that the run is an ordinary network. The
strength of the penalty is chosen on folds of the training images, which never part the images of a subject.

An interrupted probe starts again, with the features that are kept by then.
"""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import LightningDataModule
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from common.cli import say, warn
from common.config.schema import Config, ProbeConfig
from common.errors import UserError
from common.files import atomic_path, write_csv, write_json
from common.runs.files import RunFile, RunFolder
from common.seeds import derive_seed
from lightning_modules.classifier import Classifier
from lightning_modules.extensions import build_loggers
from lightning_modules.stages.fit import FinishedStage
from lightning_modules.stages.plan import Stage, planned_stages
from lightning_modules.trainer import build_trainer

LOGISTIC = "logistic regression"
NEIGHBOURS = "k-NN"
SMALLEST = 1e-7  # probability, where a class is missing in a fold
ITERATIONS = 5000  # of L-BFGS; of a few hundred features it was seen to take some hundred


@dataclass(frozen=True)
class ProbeImages:
    """The images that a probe sees; the arrays have an entry for each image of the data set.

    Attributes:
        module: Provides the validation batches.
        features: Returns what the last layer of a classifier's head takes of all images, float32, shape (images, D).
        label: Class index, int64; -1 where unknown.
        subject: Person, object; None where unknown.
        train: Indices of the training images, int64.
        classes: Class names.
    """

    module: LightningDataModule
    features: Callable[[Classifier], np.ndarray]
    label: np.ndarray
    subject: np.ndarray
    train: np.ndarray
    classes: tuple[str, ...]


@dataclass(frozen=True)
class TrainingFeatures:
    """What the head is fitted to: float32 features (N, D), class indices, groups that no fold parts, and weights."""

    features: np.ndarray
    label: np.ndarray
    group: np.ndarray
    weight: np.ndarray


def fit_probe(model: Classifier, images: ProbeImages, config: Config, run: Path) -> FinishedStage:
    """Fit the head of a classifier to its features of the training images, and record the only stage.

    Args:
        model: The classifier; the last layer of its head is overwritten.
        images: The images.
        config: The typed configuration; ``config.probe`` has the candidates.
        run: The run's folder.

    Raises:
        UserError: A class has no training image, or there are fewer subjects than folds.
    """
    (stage,) = planned_stages(config, run)
    if (stage.folder / RunFile.STAGE).exists():
        model.load_state_dict(torch.load(stage.folder / "best.ckpt", weights_only=True)["state_dict"])
        return FinishedStage.read(stage.folder)
    start = time.monotonic()
    training = _training_features(model, images, _finite_features(model, images, config))
    _check_classes(training, images)
    candidates = compare_candidates(training, config.probe, derive_seed("probe", config.seed))
    write_csv(stage.run / RunFolder.LOGS / stage.folder.name / "probe.csv", candidates)
    logistic = candidates[candidates["method"] == LOGISTIC]
    chosen = logistic.loc[logistic["log_loss"].idxmin()]
    fitted = logistic_regression(float(chosen["strength"]))
    _fit(fitted, training)
    if fitted[-1].n_iter_.max() >= ITERATIONS:
        warn(f"the probe did not converge within {ITERATIONS} iterations: leave out the largest of probe.strengths")
    set_last_layer(_last_layer(model), fitted)
    by = "image" if len(np.unique(training.group)) == len(training.label) else "subject"
    say(
        f"stage 1, {stage.name}: {LOGISTIC} on {training.features.shape[1]:,} features of {len(training.label):,} "
        f"images, C={chosen['strength']:g} of {config.probe.folds} folds by {by} (log-loss {chosen['log_loss']:.4f})"
    )
    return _record(model, images, config, stage, start)


def compare_candidates(training: TrainingFeatures, settings: ProbeConfig, seed: int) -> pd.DataFrame:
    """Evaluate each candidate on folds of the training images, each of which is held out once.

    Returns:
        A row per candidate: method, strength (C, or k of k-NN), log_loss (nats, weighted by class where
        ``balance=class_weights``; of k-NN none) and accuracy (0 to 1) of the held-out images.

    Raises:
        UserError: There are fewer subjects (images, where these are unknown) than folds.
    """
    groups = len(np.unique(training.group))
    if groups < settings.folds:
        raise UserError(f"probe.folds={settings.folds}, but only {groups} subjects train: set probe.folds={groups}")
    candidates: list[tuple[str, float, Any]] = []
    candidates += [(LOGISTIC, strength, logistic_regression(strength)) for strength in settings.strengths]
    candidates += [(NEIGHBOURS, k, KNeighborsClassifier(k, metric="cosine")) for k in settings.neighbours]
    folds = StratifiedGroupKFold(settings.folds, shuffle=True, random_state=seed % 2**32)
    splits = list(folds.split(training.features, training.label, training.group))
    smallest = min(len(rows) for rows, _ in splits)
    rows = []
    for method, strength, estimator in candidates:
        if method == NEIGHBOURS and strength > smallest:
            continue
        probability = _held_out(estimator, training, splits)
        right = np.clip(probability[np.arange(len(probability)), training.label], SMALLEST, 1.0)
        # k-NN gives shares of few votes, of which the logarithm says nothing.
        loss = np.average(-np.log(right), weights=training.weight) if method == LOGISTIC else None
        accuracy = accuracy_score(training.label, probability.argmax(axis=1))
        rows.append({"method": method, "strength": strength, "log_loss": loss, "accuracy": accuracy})
    return pd.DataFrame(rows)


def logistic_regression(strength: float) -> Pipeline:
    """Return a logistic regression on standardised features, not fitted; ``strength`` is the inverse of the penalty."""
    return Pipeline([("scale", StandardScaler()), ("fit", LogisticRegression(C=strength, max_iter=ITERATIONS))])


def set_last_layer(layer: nn.Linear, fitted: Pipeline) -> None:
    """Give a layer the coefficients of a fitted ``logistic_regression``, its scaling of the features included."""
    scale, regression = fitted["scale"], fitted["fit"]
    weight = regression.coef_ / scale.scale_
    bias = regression.intercept_ - weight @ scale.mean_
    if (
        len(weight) < layer.out_features
    ):  # two classes have one set of coefficients, which is the log-odds of the second
        weight = np.concatenate([np.zeros_like(weight), weight])
        bias = np.concatenate([np.zeros_like(bias), bias])
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.copy_(torch.from_numpy(bias))


def _fit(estimator: Any, training: TrainingFeatures, rows: np.ndarray | slice = slice(None)) -> None:
    weights = {"fit__sample_weight": training.weight[rows]} if isinstance(estimator, Pipeline) else {}
    estimator.fit(training.features[rows], training.label[rows], **weights)


def _held_out(estimator: Any, training: TrainingFeatures, splits: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return the probabilities of each image, shape (N, classes), by the estimator without the image's fold."""
    probability = np.zeros((len(training.label), int(training.label.max()) + 1))
    for rows, held_out in splits:
        _fit(estimator, training, rows)
        # A class of one subject alone is missing in a fold.
        probability[np.ix_(held_out, estimator.classes_)] = estimator.predict_proba(training.features[held_out])
    return probability


def _training_features(model: Classifier, images: ProbeImages, features: np.ndarray) -> TrainingFeatures:
    rows = images.train
    label = images.label[rows]
    weight = np.ones(len(rows))
    if model.class_weights is not None:
        weight = model.class_weights.cpu().numpy()[label].astype(np.float64)
    # An image of an unknown subject is a group by itself.
    names = [
        f"subject {name}" if name is not None else f"image {row}"
        for row, name in zip(rows, images.subject[rows], strict=True)
    ]
    return TrainingFeatures(features[rows], label, np.asarray(names), weight)


def _check_classes(training: TrainingFeatures, images: ProbeImages) -> None:
    counts = np.bincount(training.label, minlength=len(images.classes))
    missing = [name for name, count in zip(images.classes, counts, strict=True) if not count]
    if missing:
        raise UserError(f"no training image of {', '.join(missing)}: choose another split.fold, or leave the class out")


def _finite_features(model: Classifier, images: ProbeImages, config: Config) -> np.ndarray:
    features = images.features(model)
    if not np.isfinite(features).all():
        raise UserError(f"weights={config.weights}: the network gives no numbers (NaN) for these images")
    return features


def _last_layer(model: Classifier) -> nn.Linear:
    assert isinstance(model.head, nn.Sequential)
    last = model.head[-1]
    assert isinstance(last, nn.Linear)
    return last


def _record(model: Classifier, images: ProbeImages, config: Config, stage: Stage, start: float) -> FinishedStage:
    stage.folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(stage.folder / "best.ckpt") as temporary:
        torch.save({"state_dict": model.state_dict()}, temporary)
    trainer = build_trainer(config, loggers=build_loggers(config, stage.run, stage.folder.name))
    score = float(trainer.validate(model, datamodule=images.module, verbose=False)[0][config.callbacks.monitor])
    if not math.isfinite(score):
        raise UserError(f"{config.callbacks.monitor} of the probe is {score}: has the validation part images?")
    best = str((stage.folder / "best.ckpt").relative_to(stage.run))
    record = FinishedStage(stage.name, best, score, 1, len(images.train), time.monotonic() - start)
    write_json(stage.folder / RunFile.STAGE, asdict(record))
    return record
