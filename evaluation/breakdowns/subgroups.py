"""The same metrics for parts of the test images: folds, given groups such as stainings, sizes, kinds."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from common.config.schema import EvaluationConfig
from common.predictions import Predictions
from evaluation.core.labelled import LabelledPredictions, cases
from evaluation.intervals.bootstrap import Interval, around
from evaluation.intervals.call_metrics import call_intervals, subset
from evaluation.intervals.methods import SHARE
from evaluation.metrics.resampled import WeightedMetrics

FEW_IMAGES = 5  # of a class: below it a subgroup's figures say little
UNKNOWN = "unknown"
# Ranks of many classes cost much, and small subgroups lack most of the classes.
TWO_CLASSES = ("accuracy", "f1_weighted", "auc", "sensitivity", "specificity")
MORE_CLASSES = ("accuracy", "f1_weighted", "f1_macro")
ONE_CLASS = ("accuracy",)  # of a kind: the share of it that is called rightly


def subgroups(runs: list[Predictions], test: LabelledPredictions, settings: EvaluationConfig) -> list[dict]:
    """Judge the test images of each fold, given group, third of sizes and kind.

    Only what divides the images is listed: no single fold, no group that all images are in. Sizes are the longer side
    of the original image, in thirds with about as many images each. Images of which a fact is not known form a
    subgroup of their own. Calls are made at 0.5, or are the most probable class.

    Args:
        runs: One run, or folds of one experiment.
        test: Their labelled test images, fold after fold.
        settings: Number of resamples, confidence, seed.

    Returns:
        Rows with ``by`` ("fold", "group", "size" or "kind"), ``group``, ``images``, ``subjects`` (None where none is
        known), ``class_counts`` and ``metrics`` (name -> fields of an ``Interval``; TWO_CLASSES or MORE_CLASSES, of a
        kind ONE_CLASS).
    """
    frames = [cases(run.part("test")).frame for run in runs]
    rows = []
    for by, names, order in _divisions(runs, frames):
        groups = [name for name in order if (names == name).any()]
        if len(groups) > 1:
            rows += [_row(by, name, subset(test, names == name), settings) for name in groups]
    return rows


def subgroup_cautions(rows: list[dict]) -> list[str]:
    """Name the subgroups with fewer than FEW_IMAGES images of a class.

    A kind is of one class, and a small subgroup easily lacks some of many classes: there only those that occur count.

    Returns:
        One line or none.
    """
    few = []
    for row in rows:
        counts = row["class_counts"].values()
        every = row["by"] != "kind" and len(counts) == 2
        if any(count < FEW_IMAGES and (count or every) for count in counts):
            few.append(f"{row['by']} {row['group']}")
    if not few:
        return []
    if len(few) > 5:
        others = f" and {len(few) - 4} more"
    else:
        others = ""
    shown = ", ".join(few[:4] if others else few)
    return [f"subgroups: fewer than {FEW_IMAGES} images of a class in {shown}{others}: their figures say little"]


def subgroups_table(rows: list[dict]) -> pd.DataFrame:
    """Return the rows as a flat table: the ends of intervals in columns of their own."""
    table = []
    for row in rows:
        known = {name: row[name] for name in ("by", "group", "images", "subjects")}
        known |= {f"images/{name}": count for name, count in row["class_counts"].items()}
        for name, one in row["metrics"].items():
            known |= {name: one["value"], f"{name}_low": one["low"], f"{name}_high": one["high"]}
        table.append(known)
    return pd.DataFrame(table)


def _divisions(runs: list[Predictions], frames: list[pd.DataFrame]) -> Iterator[tuple[str, np.ndarray, list[str]]]:
    """Yield what divides the images, which subgroup each image is in, and the order of the subgroups."""
    folds = [str(run.about.get("fold", place)) for place, run in enumerate(runs)]
    yield "fold", np.repeat(np.array(folds, dtype=object), [len(frame) for frame in frames]), folds
    joined = pd.concat(frames, ignore_index=True)
    yield "group", *_sorted(joined["group"])
    yield "size", *_sizes(joined)
    yield "kind", *_sorted(joined["kind"])


def _sorted(facts: pd.Series) -> tuple[np.ndarray, list[str]]:
    names = facts.astype(object).where(facts.notna(), UNKNOWN).to_numpy()
    return names, sorted(set(names), key=lambda name: (name == UNKNOWN, name))


def _sizes(frame: pd.DataFrame) -> tuple[np.ndarray, list[str]]:
    """Name the third in which each image's longer side lies."""
    sides = frame[["width", "height"]].apply(pd.to_numeric).max(axis=1, skipna=False).to_numpy(np.float64)
    known = sides[~np.isnan(sides)]
    if not len(known):
        return np.full(len(sides), UNKNOWN, dtype=object), []
    low, high = np.quantile(known, [1 / 3, 2 / 3], method="lower")
    names = [f"up to {low:.0f} px", f"{low + 1:.0f} to {high:.0f} px", f"over {high:.0f} px"]
    third = (sides > low).astype(int) + (sides > high)
    return np.where(np.isnan(sides), UNKNOWN, np.array(names, dtype=object)[third]), [*names, UNKNOWN]


def _row(by: str, name: str, scored: LabelledPredictions, settings: EvaluationConfig) -> dict:
    return {
        "by": by,
        "group": name,
        "images": len(scored.labels),
        "subjects": scored.subjects,
        "class_counts": scored.count_images(),
        "metrics": {metric: interval.as_dict() for metric, interval in _metrics(by, scored, settings).items()},
    }


def _metrics(by: str, scored: LabelledPredictions, settings: EvaluationConfig) -> dict[str, Interval]:
    if by == "kind":
        return call_intervals(scored, ONE_CLASS, settings)
    if scored.positive_index is None:
        return call_intervals(scored, MORE_CLASSES, settings)
    metrics = WeightedMetrics(scored)
    rows = [metrics.names.index(name) for name in TWO_CLASSES]
    return around(lambda counts: metrics(counts)[rows], TWO_CLASSES, scored, settings, SHARE)
