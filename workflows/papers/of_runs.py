"""What finished runs measured, by their predictions."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from common.config.schema import EvaluationConfig
from common.errors import UserError
from common.predictions import Predictions
from common.runs.files import RunFile
from common.runs.run import Run
from evaluation.calibration import weighted_calibration
from evaluation.core.labelled import score
from evaluation.departures import departures
from evaluation.intervals.bootstrap import around
from evaluation.intervals.pooling import merge_facts
from evaluation.intervals.seeds import Mean, collect
from evaluation.metrics.classification import CALIBRATION
from evaluation.result import Estimate
from workflows.papers.claims import PARTS, TRAIN
from workflows.papers.measured import EPOCH_ACCURACY, EPOCH_LOSS, LOSS, Measured, Metric

# What the runs of one measurement have in common: they differ in fold and seed alone.
SHARED = ("name", "source", "synthetic", "protocol", "config", "test", "on")


def measure_runs(runs: Sequence[Run]) -> list[Measured]:
    """Measure finished runs, folds and seeds of one experiment and configuration together."""
    groups: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        about = run.predictions.about
        groups.setdefault(tuple(str(about.get(fact)) for fact in SHARED), []).append(run)
    return [_measure_group(group) for group in groups.values()]


def _measure_group(runs: Sequence[Run]) -> Measured:
    """Measure runs that differ in fold and seed alone."""
    _check_apart(runs)
    about = merge_facts([run.predictions.about for run in runs])
    data = str(about.get("on") or about.get("source"))  # of an evaluation on other images those
    images: dict[str, float] = {}
    values: dict[Metric, Estimate] = {}
    subjects = None
    for part, of_part in _labelled_parts(runs).items():
        images[part] = sum(map(_count_images, runs, of_part)) / len(runs)
        collected = collect(of_part, EvaluationConfig(), part, _metrics(of_part[0]))
        subjects = collected.subjects
        values |= {(part, name): _estimate(mean) for name, mean in collected.metrics.items()}
        values[part, LOSS] = _loss(of_part)
    values |= _of_epochs(runs)
    return Measured(
        label=str(about.get("name")),
        experiment=str(about.get("name")),
        data=f"{data}, drawn" if about.get("synthetic") else data,
        protocol=str(about.get("protocol")),
        folds=_names(about.get("fold")),
        seeds=_names(about.get("seed")),
        subjects=subjects,
        images=images,
        values=values,
        images_seen=_share(about.get("images_seen"), len(runs)),
        minutes=_share(about.get("wall_seconds"), 60 * len(runs)),
        revision=_names(about.get("revision")),
        departures=departures(runs),
    )


def _check_apart(runs: Sequence[Run]) -> None:
    """Raise a UserError where two runs are of the same fold and seed."""
    places: dict[tuple[Any, Any], Run] = {}
    for run in runs:
        about = run.predictions.about
        other = places.setdefault((about.get("fold"), about.get("seed")), run)
        if other is not run:
            raise UserError(f"{other.folder} and {run.folder} are of the same fold and seed: name one of them")


def _labelled_parts(runs: Sequence[Run]) -> dict[str, list[Predictions]]:
    """Return the predictions of all runs, of each part that has labelled images in every run."""
    parts = {}
    for part in PARTS:
        of_part = [_of_part(run, part) for run in runs]
        if all(map(_count_labelled, of_part)):
            parts[part] = of_part
    return parts


def _count_labelled(predictions: Predictions) -> int:
    return int((predictions.labels >= 0).sum())


def _count_images(run: Run, of_part: Predictions) -> int:
    """Return the images of a part; of the training part before balancing, which leaves some out, as papers count it.

    Where ``evaluation.train_images`` has limited the predicted training images, it is their number.
    """
    if of_part.part(TRAIN).frame.empty or not of_part.about.get("balanced") or not run.path(RunFile.SPLIT).is_file():
        return _count_labelled(of_part)
    limit = run.raw_config.get("evaluation", {}).get("train_images")
    if limit is not None and _count_labelled(of_part) >= limit:
        return _count_labelled(of_part)
    return int((run.split["part"] == TRAIN).sum())


def _estimate(mean: Mean) -> Estimate:
    """Return a mean with its interval over subjects and, of several seeds, over these too."""
    if mean.low_with_seeds is None:
        return Estimate(mean.value, mean.low, mean.high)
    return Estimate(mean.value, mean.low_with_seeds, mean.high_with_seeds)


def _of_part(run: Run, part: str) -> Predictions:
    """Return the predictions of a part; those of training images, which a run may lack, are in a file of their own."""
    if part == TRAIN and run.predictions_train is not None:
        return run.predictions_train
    return run.predictions.part(part)


def _metrics(predictions: Predictions) -> list[str]:
    """Return the metrics that papers print; beyond two classes the others cost much, and none prints them."""
    names = ["accuracy", "f1_weighted"]
    if len(predictions.classes) == 2:
        names.append("auc")
        for name in predictions.classes:
            names += [f"precision/{name}", f"recall/{name}"]
    return names


def _loss(runs: Sequence[Predictions]) -> Estimate:
    """Return the cross-entropy of all images of some runs, nats."""
    settings = EvaluationConfig()
    first = runs[0]
    frame = pd.concat([run.frame for run in runs], ignore_index=True)
    pooled = score(Predictions(frame, first.classes, first.positive_class, first.about))
    statistic = weighted_calibration(pooled, settings.calibration_bins)
    return around(statistic, CALIBRATION, pooled, settings)["nll"]


def _of_epochs(runs: Sequence[Run]) -> dict[Metric, Estimate]:
    """Return the training means of the chosen epochs, without interval; {} where a run has no log of them."""
    values: dict[Metric, Estimate] = {}
    for metric, column in ((EPOCH_LOSS, "train/loss"), (EPOCH_ACCURACY, "train/acc")):
        epochs = [run.best_epoch(str(run.predictions.about.get("monitor"))).get(column) for run in runs]
        logged = [float(value) for value in epochs if value is not None]
        if len(logged) == len(runs):
            values[TRAIN, metric] = Estimate(sum(logged) / len(runs), None, None)
    return values


def _names(fact: Any) -> str:
    values = fact if isinstance(fact, list) else [fact]
    return " ".join(str(value) for value in values if value is not None)


def _share(total: float | None, parts: float) -> float | None:
    return None if total is None else total / parts
