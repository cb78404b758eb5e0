"""What was measured here, to be compared with printed figures: by finished runs, and by tables of results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from common.config.schema import EvaluationConfig
from common.errors import UserError
from common.predictions import VALIDATION, Predictions
from common.runs.files import RunFile
from common.runs.run import Run
from evaluation.calibration import BINS, weighted_calibration
from evaluation.comparison.departures import NOT_KNOWN, departures
from evaluation.core.labelled import score
from evaluation.intervals.bootstrap import around
from evaluation.intervals.pooling import merge_facts
from evaluation.intervals.seeds import Mean, collect
from evaluation.metrics.classification import CALIBRATION, lower_is_better
from evaluation.result import Estimate
from evaluation.results_csv import ADDED, COLUMNS, SEPARATOR
from workflows.papers.claims import PARTS, TEST, TRAIN

LOSS = "loss"  # the cross-entropy, nats
# Means over the batches of the chosen epoch, with dropout and before the weights of its end, as Keras prints them.
EPOCH_LOSS = "epoch_loss"
EPOCH_ACCURACY = "epoch_accuracy"
OF_EPOCH = (EPOCH_LOSS, EPOCH_ACCURACY)
Metric = tuple[str, str]  # part and name


@dataclass(frozen=True)
class Measured:
    """Figures of the runs of one experiment, split and configuration: the mean over its folds and seeds.

    Attributes:
        data: The data source; a table's name where that is a mere folder or table of images.
        folds: Their numbers, separated by blanks; so are the seeds.
        subjects: None where none is known.
        images: Of each part, the mean of one run.
        values: By part and metric, with 95 % intervals.
        images_seen: In the training of one run; None where it is not recorded, as the minutes.
        departures: From the experiment that it is named after, see ``departures.departures``.
    """

    label: str
    experiment: str
    data: str
    protocol: str
    folds: str
    seeds: str
    subjects: int | None
    images: Mapping[str, float]
    values: Mapping[Metric, Estimate]
    images_seen: float | None
    minutes: float | None
    revision: str
    departures: tuple[str, ...]

    @property
    def fold_count(self) -> int:
        """The number of folds, at least 1."""
        return max(len(self.folds.split()), 1)

    def total(self, part: str) -> int:
        """Return the images of a part of all folds."""
        return round(self.images.get(part, 0) * self.fold_count)


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
    statistic = weighted_calibration(pooled, BINS)
    return around(statistic, CALIBRATION, pooled, settings)["nll"]


def _of_epochs(runs: Sequence[Run]) -> dict[Metric, Estimate]:
    """Return the training means of the chosen epochs, without interval; {} where a run has no log of them."""
    values: dict[Metric, Estimate] = {}
    for metric, column in ((EPOCH_LOSS, "train/loss"), (EPOCH_ACCURACY, "train/acc")):
        logged = []
        for run in runs:
            monitor = str(run.predictions.about.get("monitor"))
            epoch = run.best_epoch(monitor, lower_is_better(monitor))
            if column in epoch:
                logged.append(float(epoch[column]))
        if len(logged) == len(runs):
            values[TRAIN, metric] = Estimate(sum(logged) / len(runs), None, None)
    return values


def _names(fact: Any) -> str:
    values = fact if isinstance(fact, list) else [fact]
    return " ".join(str(value) for value in values if value is not None)


def _share(total: float | None, parts: float) -> float | None:
    return None if total is None else total / parts


TEXT = ("label", "experiment", "source", "tested_on", "synthetic", "folds", "seeds", "departures", "revision")
# Columns of a table in which each metric is a row, and of one in which a metric and its interval are columns.
EVALUATED = set(COLUMNS) - ADDED - {"mean_over_folds", "mean_low", "mean_high"}
COLLECTED = {"label", "experiment", "source", "protocol", "images", "subjects", "images_seen", "wall_seconds"}


def measure_results(results: Path) -> list[Measured]:
    """Read all tables of measured results in a folder, but those of drawn images."""
    tables = [path for path in sorted(Path(results).glob("*.csv")) if is_results_table(path)]
    if not tables:
        raise UserError(f"no measured results in {results}: python scripts/evaluate.py RUN... --csv writes them")
    return [measured for path in tables for measured in read_measurements(path)]


def is_results_table(path: Path) -> bool:
    """Tell whether a CSV table is one of evaluate.py --csv or of collect.py."""
    try:
        columns = set(pd.read_csv(path, nrows=0).columns)
    except (OSError, ValueError):
        return False
    return columns >= EVALUATED or columns >= COLLECTED | {"accuracy"}


def read_measured(path: Path) -> pd.DataFrame:
    """Read a table of evaluate.py --csv, without single folds whose label also has a row of several folds pooled.

    New columns: ``runs``, the number of folds (at least 1); ``images_seen`` and ``minutes`` per run; ``compared``,
    whether the label names a comparison of two groups.
    """
    rows = _read(path).reindex(columns=list(COLUMNS))
    rows = rows.fillna(dict.fromkeys(TEXT, ""))
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
    if "metric" in pd.read_csv(path, nrows=0).columns:
        rows = read_measured(path)
        external = rows.loc[~rows["tested_on"].isin(["", VALIDATION]), "label"]
        rows = rows[~rows["compared"] & ~rows["label"].isin(external)]
    else:
        rows = _read_collected(path)
    rows = rows[(rows["synthetic"] == "") & ~rows["source"].str.contains("synthetic")]
    rows = rows.assign(data=rows["source"].where(~rows["source"].isin(["folder", "table"]), path.stem))
    shared = ["label", "experiment", "data", "protocol", "folds", "seeds"]
    return [_of_rows(of_label) for _, of_label in rows.groupby(shared, sort=False, dropna=False)]


def _read(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path, dtype=dict.fromkeys((*TEXT, "fold", "seed"), str))
    return table if "departures" in table else table.assign(departures=NOT_KNOWN)


def _read_collected(path: Path) -> pd.DataFrame:
    """Read a table of collect.py as one of evaluate.py --csv: a row per metric."""
    table = _read(path).rename(columns={"fold": "folds", "seed": "seeds"})
    table = table.reindex(columns=[*TEXT, *table.columns.difference(TEXT, sort=False)])
    table = table.fillna(dict.fromkeys(TEXT, ""))
    runs = table.get("runs", 1)
    table = table.assign(images_seen=table["images_seen"] / runs, minutes=table["wall_seconds"] / runs / 60)
    metrics = [name.removesuffix("_low") for name in table.columns if name.endswith("_low")]
    tables = []
    for name in metrics:
        ends = {"low": table[f"{name}_low"], "high": table[f"{name}_high"]}
        for end in ends:
            with_seeds = f"{name}_{end}_with_seeds"
            if with_seeds in table:
                ends[end] = table[with_seeds].fillna(ends[end])
        tables.append(table.assign(metric=name, value=table[name], **ends))
    return pd.concat(tables, ignore_index=True).dropna(subset="value")


def _of_rows(rows: pd.DataFrame) -> Measured:
    """Turn the rows of a label into a measurement."""
    first = rows.iloc[0]
    parts = rows["tested_on"].replace("", TEST)
    values = {}
    images = {}
    folds = max(len(first["folds"].split()), 1)
    for part, row in zip(parts, rows.to_dict("records"), strict=True):
        metric = {"nll": LOSS}.get(row["metric"], row["metric"])
        values[part, metric] = Estimate(_number(row["value"]), _number(row["low"]), _number(row["high"]))
        images[part] = row["images"] / folds
    return Measured(
        label=first["label"],
        experiment=first["experiment"],
        data=first["data"],
        protocol=str(first["protocol"]),
        folds=first["folds"],
        seeds=first["seeds"],
        subjects=None if pd.isna(first["subjects"]) else int(first["subjects"]),
        images=images,
        values=values,
        images_seen=_number(first["images_seen"]),
        minutes=_number(first["minutes"]),
        revision=first["revision"],
        departures=tuple(filter(None, first["departures"].split(SEPARATOR))),
    )


def _number(value: float) -> float | None:
    return None if pd.isna(value) else value
