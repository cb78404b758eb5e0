"""What finished runs and ensembles measured, to be compared with printed figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from scipy import stats

from karyocyte.common.config.schema import EvaluationConfig
from karyocyte.common.predictions import Predictions
from karyocyte.common.runs.run import Run
from karyocyte.evaluation.calibration import BINS, weighted_calibration
from karyocyte.evaluation.comparison.departures import departures
from karyocyte.evaluation.intervals.bootstrap import around
from karyocyte.evaluation.intervals.exact import share
from karyocyte.evaluation.intervals.pooling import merge_facts
from karyocyte.evaluation.intervals.seeds import collect, run_groups
from karyocyte.evaluation.metrics.classification import CALIBRATION, lower_is_better
from karyocyte.evaluation.metrics.labelled import labelled_part, score
from karyocyte.evaluation.result import Estimate
from karyocyte.workflows.papers.claims import PARTS, TRAIN

SETTINGS = EvaluationConfig()
LOSS = "loss"  # the cross-entropy, nats
# Means over the batches of the chosen epoch, with dropout and before the weights of its end, as Keras prints them.
OF_EPOCH = {"epoch_loss": "train/loss", "epoch_accuracy": "train/acc"}
BEST_EPOCH = "best_epoch"  # the fact of predictions that are kept without the log of their run: the row of that epoch
SURE = 0.98  # paper 001, 4.4: more than this share of the passes' votes
Metric = tuple[str, str]  # part and name


@dataclass(frozen=True)
class Measured:
    """Figures of the runs of one experiment, split and configuration: the mean over its folds and seeds."""

    experiment: str
    data: str  # the data source
    protocol: str
    is_apart: bool  # whether no subject, and no official test image, is in two parts, as far as is known
    folds: str  # their numbers, separated by blanks; so are the seeds
    seeds: str
    images: Mapping[str, int]  # of each part, the mean of one run
    values: Mapping[Metric, Estimate]  # by part and metric, with 95 % intervals
    images_seen: float | None  # in the training of one run; None where it is not recorded
    revision: str
    departures: Mapping[str, bool]  # and whether the paper prints that setting


def measure_runs(runs: Sequence[Run]) -> list[Measured]:
    """Measure finished runs, folds and seeds of one experiment and configuration together."""
    return list(map(_measure_group, run_groups(runs)))


def _measure_group(runs: Sequence[Run]) -> Measured:
    """Measure runs that differ in fold and seed alone."""
    about = merge_facts([run.predictions.about for run in runs])
    data = str(about.get("on") or about.get("source"))  # of an evaluation on other images those
    protocol = str(about.get("protocol"))
    images: dict[str, int] = {}
    values = _of_epochs(runs)
    has_subjects = False
    for part in PARTS:
        of_part = [_of_part(run, part) for run in runs]
        counts = [int((each.labels >= 0).sum()) for each in of_part]
        if all(counts):
            # The papers print the sizes of one split, so that the mean over the runs is what compares.
            images[part] = round(sum(counts) / len(runs))
            collected = collect(of_part, SETTINGS, part, _metrics(of_part[0]))
            has_subjects = collected.subjects is not None
            values |= {(part, name): mean.estimate for name, mean in collected.metrics.items()}
            values |= {(part, name): estimate for name, estimate in _of_pooled(of_part).items()}
    is_official = about.get("test") not in (None, "fold")
    seen = about.get("images_seen")
    return Measured(
        experiment=str(about.get("name")),
        data=f"{data}, synthetic" if about.get("synthetic") else data,
        protocol=protocol,
        is_apart=protocol == "subject" or (protocol == "image" and (is_official or not has_subjects)),
        folds=_names(about.get("fold")),
        seeds=_names(about.get("seed")),
        images=images,
        values=values,
        images_seen=None if seen is None else seen / len(runs),
        revision=_names(about.get("revision")),
        departures=departures(runs),
    )


def _of_part(run: Run, part: str) -> Predictions:
    """Return the predictions of a part; those of training images, which a run may lack, are in a file of their own."""
    kept = run.predictions_train if part == TRAIN else run.predictions
    return (kept or run.predictions).part(part)


def _metrics(predictions: Predictions) -> list[str]:
    """Return the metrics that papers print; beyond two classes the others cost much, and none prints them."""
    names = ["accuracy", "f1_weighted"]
    if len(predictions.classes) == 2:
        names.append("auc")
        for name in predictions.classes:
            names += [f"precision/{name}", f"recall/{name}"]
    return names


def _of_pooled(runs: Sequence[Predictions]) -> dict[str, Estimate]:
    """Return the cross-entropy of all images of several runs and, of many passes, how sure right and wrong ones are.

    The latter is the share of the images that most passes call rightly, or wrongly, with more than SURE of the votes.
    """
    pooled = replace(runs[0], frame=pd.concat([run.frame for run in runs], ignore_index=True))
    scored = score(pooled)
    nll = around(weighted_calibration(scored, BINS), CALIBRATION, scored, SETTINGS)["nll"]
    found: dict[str, Estimate] = {LOSS: nll}
    if pooled.sampled:
        images = labelled_part(pooled)
        votes = images.confidences()["votes"]
        right = votes.called == images.labels
        for name, rows in (("sure_when_right", right), ("sure_when_wrong", ~right)):
            sure = votes.values[rows] > SURE
            found[name] = share(sure.sum(), len(sure), SETTINGS.confidence)
    return found


def _of_epochs(runs: Sequence[Run]) -> dict[Metric, Estimate]:
    """Return the training means of the chosen epochs with an interval over seeds; {} where they are not known."""
    epochs = []
    for run in runs:
        about = run.predictions.about
        monitor = str(about.get("monitor"))
        epoch = about.get(BEST_EPOCH) or run.best_epoch(monitor, lower_is_better(monitor))
        epochs.append({"seed": about.get("seed"), **epoch})
    table = pd.DataFrame(epochs)
    found = {}
    for metric, column in OF_EPOCH.items():
        if column in table and table[column].notna().all():
            means = table.groupby("seed")[column].mean()
            ends = pd.Series(stats.t.interval(SETTINGS.confidence, len(means) - 1, means.mean(), means.sem()))
            low, high = ends.clip(0, None if metric.endswith(LOSS) else 1)
            known = len(means) > 1
            found[TRAIN, metric] = Estimate(float(means.mean()), low if known else None, high if known else None)
    return found


def _names(fact: Any) -> str:
    return " ".join(pd.Series(fact, dtype=object).dropna().map(str))
