"""What finished runs and ensembles measured, to be compared with printed figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from karyocyte.evaluation.comparison.departures import departures
from karyocyte.evaluation.intervals.over_subjects import around
from karyocyte.evaluation.intervals.seeds import run_groups, seed_means
from karyocyte.evaluation.metrics.classification import CALIBRATION, lower_is_better
from karyocyte.evaluation.metrics.labelled import score
from karyocyte.evaluation.pooling.pooling import merge_facts
from karyocyte.evaluation.sections.calibration import BINS, weighted_calibration
from karyocyte.evaluation.types.formats import joined, listed
from karyocyte.evaluation.types.result import TEST, Estimate
from karyocyte.runs.predictions import Predictions
from karyocyte.runs.run import Run
from reproduction.claims import PARTS, TRAIN
from reproduction.difference import LOSS, SETTINGS, Spread, spreads
from reproduction.figures.checkpoints import CHECKPOINTS, count_checkpoints

# Means over the batches of the chosen epoch, with dropout and before the weights of its end, as Keras prints them, and
# the number of saved checkpoints, which is of no images either.
OF_EPOCH = {"epoch_loss": "train/loss", "epoch_accuracy": "train/acc", CHECKPOINTS: CHECKPOINTS}
BEST_EPOCH = "best_epoch"  # the fact of predictions that are kept without the log of their run: the row of that epoch
Metric = tuple[str, str]  # part and name


@dataclass(frozen=True)
class Figure:
    """A figure of ours: the mean over trainings with its interval over persons (none of an epoch), and its spread."""

    over_persons: Estimate
    spread: Spread


@dataclass(frozen=True)
class Measured:
    """Figures of the runs of one experiment, split and configuration: the mean over its folds and seeds.

    ``is_apart``: no subject, and no official test image, is in two parts, as far as is known. Trainings that name one
    class for all test images are counted in ``one_class``, and in no figure.
    """

    experiment: str
    data: str  # the data source
    protocol: str
    is_apart: bool
    folds: str  # their numbers, separated by blanks; so are the seeds
    seeds: str
    images: Mapping[str, int]  # of each part, the mean of one run
    figures: Mapping[Metric, Figure]  # by part and metric
    one_class: str  # "1 of 3"
    images_seen: int | None  # in the training of one run; None where it is not recorded
    revision: str
    departures: Mapping[str, bool]  # and whether the paper prints that setting
    notes: tuple[str, ...]  # what trainings say of their stages, such as that the last one is no better on validation


def measure_runs(runs: Sequence[Run]) -> list[Measured]:
    """Measure finished runs, folds and seeds of one experiment and configuration together."""
    return list(map(_measure_group, run_groups(runs)))


def _measure_group(runs: Sequence[Run]) -> Measured:
    about = merge_facts([run.predictions.about for run in runs])
    sound = [run for run in runs if not names_one_class(run.predictions.part(TEST))]
    images, figures = _of_parts(sound)
    data, protocol, seen = about.get("on") or about.get("source"), about.get("protocol"), about.get("images_seen")
    has_subjects = any(run.predictions.part(TEST).frame["subject"].notna().any() for run in runs)
    is_official = about.get("test") not in (None, "fold")
    return Measured(
        experiment=str(about.get("name")),
        data=str(data) + ", synthetic" * bool(about.get("synthetic")),
        protocol=str(protocol),
        is_apart=protocol == "subject" or (protocol == "image" and (is_official or not has_subjects)),
        folds=joined(about.get("fold"), " "),
        seeds=joined(about.get("seed"), " "),
        images=images,
        figures=_of_epochs(sound) | figures,
        one_class=f"{len(runs) - len(sound)} of {len(runs)}",
        images_seen=None if seen is None else round(seen / len(runs)),
        revision=joined(about.get("revision"), " "),
        departures=departures(runs),
        notes=_notes_of_stages(runs),
    )


def _notes_of_stages(runs: Sequence[Run]) -> tuple[str, ...]:
    """Return what trainings say of their stages, with fold and seed where there are several runs."""
    notes = []
    for run in runs:
        about = run.predictions.about
        where = f"fold {about.get('fold')}, seed {about.get('seed')}: " if len(runs) > 1 else ""
        notes += [f"{where}{note}" for note in listed(about.get("stages"))]
    return tuple(dict.fromkeys(notes))


def names_one_class(test: Predictions) -> bool:
    """Tell whether a network calls all images alike."""
    return len(set(test.probabilities.argmax(axis=1))) == 1


def _of_parts(runs: Sequence[Run]) -> tuple[dict[str, int], dict[Metric, Figure]]:
    images: dict[str, int] = {}
    figures: dict[Metric, Figure] = {}
    for part in PARTS:
        # Predictions of training images, which a run may lack, are in a file of their own.
        of_part = [((part == TRAIN and run.predictions_train) or run.predictions).part(part) for run in runs]
        counts = [int((each.labels >= 0).sum()) for each in of_part]
        if runs and all(counts):
            images[part] = round(sum(counts) / len(runs))  # the papers print the sizes of one split
            figures |= {(part, name): figure for name, figure in _of_part(of_part, part).items()}
    return images, figures


def _of_part(runs: Sequence[Predictions], part: str) -> dict[str, Figure]:
    """Return the metrics that papers print; beyond two classes the others cost much, and none prints them."""
    names, classes = ["accuracy", "f1_weighted"], runs[0].classes
    if len(classes) == 2:
        names += ["auc", *(f"{metric}/{name}" for name in classes for metric in ("precision", "recall"))]
    pooled = score(*runs)
    means: dict[str, Estimate] = {**seed_means(runs, SETTINGS, part, names).metrics}
    means[LOSS] = around(weighted_calibration(pooled, BINS), CALIBRATION, pooled, SETTINGS)["nll"]
    return {name: Figure(means[name], spread) for name, spread in spreads(runs, names).items()}


def _of_epochs(runs: Sequence[Run]) -> dict[Metric, Figure]:
    """Return the training means of the chosen epochs, of which only seeds are known; {} where they are not logged."""
    epochs = []
    for run in runs:
        about = run.predictions.about
        epochs.append(
            {"seed": about.get("seed"), **(about.get(BEST_EPOCH) or best_epoch(run) | count_checkpoints(run))}
        )
    table = pd.DataFrame(epochs)
    found = {}
    for metric, column in OF_EPOCH.items():
        if column in table and table[column].notna().all():
            means = table.groupby("seed")[column].mean()
            found[TRAIN, metric] = Figure(Estimate(means.mean()), Spread(len(means), means.var()))
    return found


def best_epoch(run: Run) -> dict[str, float]:
    """Return the means of OF_EPOCH at the best epoch by ``monitor``, those that were logged; {} if it was not.

    The epoch is of the stage whose weights are the run's, of the last one in a run without weights.
    """
    monitor, history = str(run.predictions.about.get("monitor")), run.history
    if monitor not in history:
        return {}
    stage = history["stage"].iloc[-1]
    if run.status.best is not None:
        stage = Path(run.status.best).parent.name.split("-", 1)[1]
    scores = history.loc[history["stage"] == stage, monitor].dropna()
    if scores.empty:
        return {}
    best = history.loc[scores.idxmin() if lower_is_better(monitor) else scores.idxmax()]
    return {name: float(best[name]) for name in OF_EPOCH.values() if pd.notna(best.get(name))}
