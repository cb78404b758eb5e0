"""Predictions with a known truth."""

import numpy as np
import pandas as pd
from scipy.special import softmax

from karyocyte.runs.predictions import PROBABILITY_PREFIX, Predictions, uncertainty_of
from karyocyte.runs.uncertainty import summarise

ABOUT = {
    "name": "tiny",
    "source": "cnmc",
    "synthetic": False,
    "protocol": "subject",
    "fold": 0,
    "folds": 3,
    "seed": 0,
    "weights": "random",
    "run": "outputs/tiny/subject-fold0-00000000/seed=0",
    "revision": "0" * 40,
    "images_seen": 100,
    "wall_seconds": 1.0,
}


def of_probabilities(probabilities, labels, subjects, classes, part, first=0, about=None) -> Predictions:
    """Build predictions of images that are numbered from ``first``; ``subjects=None`` leaves them unknown."""
    count = len(probabilities)
    names = [f"image_{first + number:05d}" for number in range(count)]
    frame = pd.DataFrame({"image_id": names, "path": [f"{name}.bmp" for name in names], "label": labels})
    frame["subject"] = [None] * count if subjects is None else list(subjects)
    frame = frame.assign(part=part, cell=None, kind=None, width=300, height=200, group=None)
    frame["uncertainty"] = uncertainty_of(probabilities)
    for index, name in enumerate(classes):
        frame[PROBABILITY_PREFIX + name] = probabilities[:, index]
    positive = classes[-1] if len(classes) == 2 else None
    return Predictions(frame, tuple(classes), positive, {**ABOUT, **(about or {})})


def make_predictions(
    images=60, subjects=12, classes=("hem", "all"), skill=1.5, part="test", first=0, seed=0, about=None
) -> Predictions:
    """Draw predictions: subjects have one class each; the logit of the true class is ``skill`` higher on average.

    ``subjects=None`` leaves them unknown. ``first`` numbers images and subjects from there, so that folds do not meet.
    """
    rng = np.random.default_rng(seed)
    groups = np.arange(images) % (subjects or images)
    labels = groups % len(classes)
    shift = rng.normal(scale=0.5, size=(groups.max() + 1, len(classes)))[groups]
    logits = rng.normal(size=(images, len(classes))) + shift + skill * np.eye(len(classes))[labels]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    names = [f"subject_{first + group:04d}" for group in groups] if subjects else None
    return of_probabilities(probabilities, np.array(classes, dtype=object)[labels], names, classes, part, first, about)


def join(*parts: Predictions) -> Predictions:
    """Put the rows of several predictions of one run into one."""
    frame = pd.concat([part.frame for part in parts], ignore_index=True)
    return Predictions(frame, parts[0].classes, parts[0].positive_class, parts[0].about)


def make_run(fold=0, images=60, subjects=12, seed=0, about=None, **keywords) -> Predictions:
    """Draw validation and test rows of one fold; different folds share no test image."""
    options = {**keywords, "about": {"fold": fold, **(about or {})}}
    first = fold * images
    seed = 1000 * seed + fold
    beside = {"part": "validation", "first": 100_000 + first, "seed": seed + 500}
    validation = make_predictions(images, subjects, **beside, **options)
    return join(validation, make_predictions(images, subjects, first=first, seed=seed, **options))


def with_scores(labels, scores, subjects=None, part="test") -> Predictions:
    """Build two-class predictions (hem, all) from labels (True: all; None: unknown) and probabilities of ``all``."""
    names = [None if label is None else ("all" if label else "hem") for label in labels]
    positive = np.asarray(scores, dtype=np.float64)
    made = of_probabilities(np.stack([1.0 - positive, positive], axis=1), names, subjects, ("hem", "all"), part)
    made.frame["uncertainty"] = 0.5
    return made


def with_passes(predictions: Predictions, passes=20, noise=1.0, seed=0) -> Predictions:
    """Add what so many passes say together, each with Gaussian noise on the log-probabilities."""
    logs = np.log(predictions.probabilities)
    drawn = np.random.default_rng(seed).normal(scale=noise, size=(passes, *logs.shape)) + logs
    sampled = summarise(softmax(drawn, axis=2), predictions.classes)
    frame = pd.concat([predictions.frame.reset_index(drop=True), sampled], axis=1)
    return Predictions(frame, predictions.classes, predictions.positive_class, predictions.about)
