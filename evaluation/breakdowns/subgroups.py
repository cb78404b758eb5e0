"""The same metrics for parts of the test images: folds, given groups such as stainings, sizes, kinds."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from common.config.schema import EvaluationConfig
from evaluation.core.labelled import LabelledPredictions
from evaluation.intervals.call_metrics import call_intervals, subset
from evaluation.labelled_runs import LabelledRuns
from evaluation.result import EvaluationWarning, SubgroupResult, warnings_about

FEW_IMAGES = 5  # of a class: below it a subgroup's figures say little
SHOWN = 4  # subgroups that a warning names of more than one more
UNKNOWN = "unknown"
# Ranks of many classes cost much, and small subgroups lack most of the classes.
TWO_CLASSES = ("accuracy", "f1_weighted", "auc", "sensitivity", "specificity")
MORE_CLASSES = ("accuracy", "f1_weighted", "f1_macro")
ONE_CLASS = ("accuracy",)  # of a kind: the share of it that is predicted right


@dataclass(frozen=True)
class Division:
    """What divides the images: its name, the subgroup of each image, shape (N,), and the order of the subgroups."""

    by: str
    groups: np.ndarray
    order: list[str]


def subgroups(runs: LabelledRuns) -> list[SubgroupResult]:
    """Evaluate the test images of each fold, given group, third of sizes and kind.

    Only what divides the images is listed: no single fold, no group that all images are in. Sizes are the longer side
    of the original image, in thirds with about as many images each. Images of which a fact is not known form a
    subgroup of their own. Classes are predicted at 0.5, or are the most probable ones.
    """
    results = []
    for division in _divisions(runs):
        present = [name for name in division.order if (division.groups == name).any()]
        if len(present) < 2:
            continue
        for name in present:
            results.append(_evaluate(division.by, name, subset(runs.test, division.groups == name), runs.settings))
    return results


def subgroup_warnings(results: list[SubgroupResult]) -> list[EvaluationWarning]:
    """Name the subgroups with fewer than FEW_IMAGES images of a class.

    A kind is of one class, and a small subgroup easily lacks some of many classes: there only those that occur count.
    """
    few = []
    for result in results:
        counts = result.class_counts.values()
        every = result.by != "kind" and len(counts) == 2
        if any(count < FEW_IMAGES and (count or every) for count in counts):
            few.append(f"{result.by} {result.group}")
    if not few:
        return []
    names = ", ".join(few)
    if len(few) > SHOWN + 1:
        names = f"{', '.join(few[:SHOWN])} and {len(few) - SHOWN} more"
    text = f"fewer than {FEW_IMAGES} images of a class in {names}: their figures say little"
    return warnings_about("subgroups", [text])


def subgroups_table(results: list[SubgroupResult]) -> pd.DataFrame:
    """Return the rows as a flat table: the ends of intervals in columns of their own."""
    rows = []
    for result in results:
        row = {"by": result.by, "group": result.group, "images": result.images, "subjects": result.subjects}
        row |= {f"images/{name}": count for name, count in result.class_counts.items()}
        for name, interval in result.metrics.items():
            row |= {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
        rows.append(row)
    return pd.DataFrame(rows)


def _divisions(runs: LabelledRuns) -> Iterator[Division]:
    folds = [str(run.about.get("fold", place)) for place, run in enumerate(runs.runs)]
    yield Division("fold", np.repeat(np.array(folds, dtype=object), runs.sizes), folds)
    frame = pd.concat([test.frame for test in runs.tests], ignore_index=True)
    yield _by_name("group", frame["group"])
    yield _by_size(frame)
    yield _by_name("kind", frame["kind"])


def _by_name(by: str, facts: pd.Series) -> Division:
    groups = facts.astype(object).where(facts.notna(), UNKNOWN).to_numpy()
    return Division(by, groups, sorted(set(groups), key=lambda name: (name == UNKNOWN, name)))


def _by_size(frame: pd.DataFrame) -> Division:
    """Divide by the third in which each image's longer side is."""
    sides = frame[["width", "height"]].apply(pd.to_numeric).max(axis=1, skipna=False).to_numpy(np.float64)
    unknown = np.isnan(sides)
    if unknown.all():
        return Division("size", np.full(len(sides), UNKNOWN, dtype=object), [])
    low, high = np.quantile(sides[~unknown], [1 / 3, 2 / 3], method="lower")
    names = [f"up to {low:.0f} px", f"{low + 1:.0f} to {high:.0f} px", f"over {high:.0f} px"]
    third = (sides > low).astype(int) + (sides > high)
    groups = np.where(unknown, UNKNOWN, np.array(names, dtype=object)[third])
    return Division("size", groups, [*names, UNKNOWN])


def _evaluate(by: str, name: str, images: LabelledPredictions, settings: EvaluationConfig) -> SubgroupResult:
    if by == "kind":
        names = ONE_CLASS
    elif images.positive_index is None:
        names = MORE_CLASSES
    else:
        names = TWO_CLASSES
    metrics = call_intervals(images, names, settings)
    return SubgroupResult(by, name, len(images.labels), images.subjects, images.count_images(), metrics)
