"""What was measured here, to be compared with printed figures: by finished runs, and by tables of results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd
from scipy import stats

from karyocyte.common.config.schema import EvaluationConfig
from karyocyte.common.errors import UserError
from karyocyte.common.predictions import VALIDATION, Predictions
from karyocyte.common.runs.files import RunFile
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
from karyocyte.evaluation.results_csv import COLUMNS, SEPARATOR
from karyocyte.workflows.papers.claims import PARTS, TEST, TRAIN

LOSS = "loss"  # the cross-entropy, nats
# Means over the batches of the chosen epoch, with dropout and before the weights of its end, as Keras prints them.
OF_EPOCH = ("epoch_loss", "epoch_accuracy")
SURE = 0.98  # paper 001, 4.4: more than this share of the passes' votes
Metric = tuple[str, str]  # part and name


@dataclass(frozen=True)
class Measured:
    """Figures of the runs of one experiment, split and configuration: the mean over its folds and seeds."""

    experiment: str
    data: str  # the data source; a table's name where that is a mere folder or table of images
    protocol: str
    folds: str  # their numbers, separated by blanks; so are the seeds
    seeds: str
    subjects: float | None
    images: Mapping[str, float]  # of each part, the mean of one run
    values: Mapping[Metric, Estimate]  # by part and metric, with 95 % intervals
    images_seen: float | None  # in the training of one run; None where it is not recorded, as the minutes
    minutes: float | None
    revision: str
    departures: tuple[str, ...]

    def total(self, part: str) -> int:
        """Return the images of a part of all folds."""
        return round(self.images.get(part, 0) * max(len(self.folds.split()), 1))


def measure_runs(runs: Sequence[Run]) -> list[Measured]:
    """Measure finished runs, folds and seeds of one experiment and configuration together."""
    return list(map(_measure_group, run_groups(runs)))


def _measure_group(runs: Sequence[Run]) -> Measured:
    """Measure runs that differ in fold and seed alone."""
    about = merge_facts([run.predictions.about for run in runs])
    data = str(about.get("on") or about.get("source"))  # of an evaluation on other images those
    images: dict[str, float] = {}
    values: dict[Metric, Estimate] = {}
    subjects = None
    for part in PARTS:
        of_part = [_of_part(run, part) for run in runs]
        if not all(map(_count_labelled, of_part)):
            continue
        # The papers print the sizes of one split, so that the mean over the runs is what compares.
        images[part] = sum(map(_count_images, runs, of_part)) / len(runs)
        collected = collect(of_part, EvaluationConfig(), part, _metrics(of_part[0]))
        subjects = collected.subjects
        for name, mean in collected.metrics.items():
            values[part, name] = mean.estimate
        pooled = _pooled(of_part)
        values[part, LOSS] = _loss(pooled)
        if pooled.sampled:
            values |= {(part, name): estimate for name, estimate in _sure_shares(pooled).items()}
    return Measured(
        experiment=str(about.get("name")),
        data=f"{data}, synthetic" if about.get("synthetic") else data,
        protocol=str(about.get("protocol")),
        folds=_names(about.get("fold")),
        seeds=_names(about.get("seed")),
        subjects=subjects,
        images=images,
        values=values | _of_epochs(runs),
        images_seen=_number(about.get("images_seen"), len(runs)),
        minutes=_number(about.get("wall_seconds"), 60 * len(runs)),
        revision=_names(about.get("revision")),
        departures=departures(runs),
    )


def _of_part(run: Run, part: str) -> Predictions:
    """Return the predictions of a part; those of training images, which a run may lack, are in a file of their own."""
    if part == TRAIN and run.predictions_train is not None:
        return run.predictions_train
    return run.predictions.part(part)


def _count_labelled(predictions: Predictions) -> int:
    return int((predictions.labels >= 0).sum())


def _count_images(run: Run, of_part: Predictions) -> int:
    """Return the images of a part; of the training part before balancing, if not limited by ``train_images``."""
    count = _count_labelled(of_part)
    if of_part.part(TRAIN).frame.empty or not of_part.about.get("balanced") or not run.has(RunFile.SPLIT):
        return count
    limit = run.raw_config.get("evaluation", {}).get("train_images")
    if limit is not None and count >= limit:
        return count
    return int((run.split["part"] == TRAIN).sum())


def _metrics(predictions: Predictions) -> list[str]:
    """Return the metrics that papers print; beyond two classes the others cost much, and none prints them."""
    names = ["accuracy", "f1_weighted"]
    if len(predictions.classes) == 2:
        names.append("auc")
        for name in predictions.classes:
            names += [f"precision/{name}", f"recall/{name}"]
    return names


def _pooled(runs: Sequence[Predictions]) -> Predictions:
    """Return the predictions of several runs as those of one."""
    return replace(runs[0], frame=pd.concat([run.frame for run in runs], ignore_index=True))


def _loss(predictions: Predictions) -> Estimate:
    """Return the cross-entropy of all images, nats."""
    scored = score(predictions)
    return around(weighted_calibration(scored, BINS), CALIBRATION, scored, EvaluationConfig())["nll"]


def _sure_shares(predictions: Predictions) -> dict[str, Estimate]:
    """Return how many of the images that most passes call rightly, and wrongly, have more than SURE of the votes."""
    images = labelled_part(predictions)
    votes = images.confidences()["votes"]
    right = votes.called == images.labels
    shares: dict[str, Estimate] = {}
    for name, rows in (("sure_when_right", right), ("sure_when_wrong", ~right)):
        sure = votes.values[rows] > SURE
        shares[name] = share(sure.sum(), len(sure), EvaluationConfig().confidence)
    return shares


def _of_epochs(runs: Sequence[Run]) -> dict[Metric, Estimate]:
    """Return the training means of the chosen epochs with an interval over seeds; {} where a run has no log of them."""
    epochs = []
    for run in runs:
        about = run.predictions.about
        monitor = str(about.get("monitor"))
        epochs.append({"seed": about.get("seed"), **run.best_epoch(monitor, lower_is_better(monitor))})
    table = pd.DataFrame(epochs)
    confidence = EvaluationConfig().confidence
    found = {}
    for metric, column, most in zip(OF_EPOCH, ("train/loss", "train/acc"), (None, 1), strict=True):
        if column in table and table[column].notna().all():
            means = table.groupby("seed")[column].mean()
            low, high = pd.Series(stats.t.interval(confidence, len(means) - 1, means.mean(), means.sem())).clip(0, most)
            found[TRAIN, metric] = Estimate(float(means.mean()), _number(low), _number(high))  # NaN of a single seed
    return found


def _names(fact: Any) -> str:
    return " ".join(pd.Series(fact, dtype=object).dropna().map(str))


def _number(value: Any, parts: float = 1) -> float | None:
    return None if pd.isna(value) else float(value) / parts


TEXT = ("label", "experiment", "source", "tested_on", "synthetic", "folds", "seeds", "departures", "revision")


def measure_results(results: Path) -> list[Measured]:
    """Read all tables of measured results in a folder, but those of synthetic images."""
    tables = list(filter(is_results_table, sorted(Path(results).glob("*.csv"))))
    if not tables:
        raise UserError(f"no measured results in {results}: python scripts/evaluate.py RUN... --csv writes them")
    return list(chain.from_iterable(map(read_measurements, tables)))


def is_results_table(path: Path) -> bool:
    """Tell whether a CSV table is one of evaluate.py --csv."""
    try:
        return set(pd.read_csv(path, nrows=0).columns) == set(COLUMNS)
    except (OSError, ValueError):
        return False


def read_measured(path: Path) -> pd.DataFrame:
    """Read a table of evaluate.py --csv, without single folds whose label also has a row of several folds pooled.

    New columns: ``runs``, the number of folds (at least 1), ``minutes`` per run, and ``compared``, whether the label
    names a comparison of two groups; ``images_seen`` is per run, too.
    """
    rows = pd.read_csv(path, dtype=dict.fromkeys(TEXT, str))
    rows = rows.reindex(columns=list(COLUMNS)).fillna(dict.fromkeys(TEXT, ""))  # tables of benchmarks have fewer
    rows["runs"] = rows["folds"].str.split().str.len().clip(lower=1)
    rows = rows[rows["runs"] == rows.groupby("label")["runs"].transform("max")]
    compared = rows.loc[rows["metric"].str.startswith("difference/"), "label"]
    return rows.assign(
        compared=rows["label"].isin(compared),
        images_seen=rows["images_seen"] / rows["runs"],
        minutes=rows["wall_seconds"] / rows["runs"] / 60,
    )


def read_measurements(path: Path) -> list[Measured]:
    """Read a table of results: measurements on real images of the run's own data set, no comparisons of two groups."""
    rows = read_measured(path)
    external = rows.loc[~rows["tested_on"].isin(["", VALIDATION]), "label"]
    rows = rows[~rows["compared"] & ~rows["label"].isin(external)]
    rows = rows[(rows["synthetic"] == "") & ~rows["source"].str.contains("synthetic")]
    rows = rows.assign(data=rows["source"].where(~rows["source"].isin(["folder", "table"]), path.stem))
    shared = ["label", "experiment", "data", "protocol", "folds", "seeds"]
    return [_of_rows(of_label) for _, of_label in rows.groupby(shared, sort=False, dropna=False)]


def _of_rows(rows: pd.DataFrame) -> Measured:
    """Turn the rows of a label into a measurement."""
    first = rows.iloc[0]
    rows = rows.astype(object).where(rows.notna(), None)
    values = {}
    images = {}
    folds = max(len(first["folds"].split()), 1)
    for row in rows.to_dict("records"):
        part = row["tested_on"] or TEST
        metric = row["metric"].replace("nll", LOSS)
        values[part, metric] = Estimate(row["value"], row["low"], row["high"])
        images[part] = row["images"] / folds
    return Measured(
        experiment=first["experiment"],
        data=first["data"],
        protocol=str(first["protocol"]),
        folds=first["folds"],
        seeds=first["seeds"],
        subjects=_number(first["subjects"]),
        images=images,
        values=values,
        images_seen=_number(first["images_seen"]),
        minutes=_number(first["minutes"]),
        revision=first["revision"],
        departures=tuple(filter(None, first["departures"].split(SEPARATOR))),
    )
