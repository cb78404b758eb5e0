"""The same metrics for parts of the test images: folds, given groups such as stainings, sizes, kinds."""

from operator import attrgetter

import numpy as np
import pandas as pd

from karyocyte.evaluation.intervals.bootstrap import intervals
from karyocyte.evaluation.metrics.labelled import LabelledPredictions
from karyocyte.evaluation.pooling.labelled_runs import LabelledRuns
from karyocyte.evaluation.pooling.sections import Findings
from karyocyte.evaluation.types.result import (
    TEST,
    EvaluationResult,
    EvaluationWarning,
    Figures,
    Interval,
    Metrics,
    warnings_about,
)

FEW_IMAGES = 5  # of a class: below it a subgroup's figures say little
SHOWN = 4  # subgroups that a warning names of more than one more
UNKNOWN = "unknown"
# Ranks of many classes cost much, and small subgroups lack most of the classes.
TWO_CLASSES = ("accuracy", "f1_weighted", "auc", "sensitivity", "specificity")
MORE_CLASSES = ("accuracy", "f1_weighted", "f1_macro")
ONE_CLASS = ("accuracy",)  # of a kind: the share of it that is predicted right


def subgroups(runs: LabelledRuns, _: EvaluationResult) -> Findings:
    """Evaluate the test images of each fold, given group, third of sizes and kind.

    Only what divides the images is listed: no single fold, no group that all images are in. Sizes are the longer side
    of the original image, in thirds with about as many images each. Images of which a fact is not known form a
    subgroup of their own. Classes are predicted at 0.5, or are the most probable ones.
    """
    figures: Figures = {}
    few = []
    metrics_of = dict.fromkeys(("fold", "group", "size"), MORE_CLASSES if runs.positive_index is None else TWO_CLASSES)
    frame = pd.concat(map(attrgetter("frame"), runs.tests), ignore_index=True)
    folds = [str(run.about.get("fold", number)) for number, run in enumerate(runs.runs)]
    of_images = pd.Series(np.repeat(np.array(folds, dtype=object), runs.sizes))
    divisions = {
        "fold": _in_order(of_images, folds),
        "group": _in_order(frame["group"], sorted(frame["group"].dropna().unique())),
        "size": _by_size(frame),
        "kind": _in_order(frame["kind"], sorted(frame["kind"].dropna().unique())),
    }
    for by, groups in divisions.items():
        if len(groups.cat.categories) < 2:
            continue
        for name in groups.cat.categories:
            images = runs.test.subset((groups == name).to_numpy())
            section = f"{by} {name}"
            metrics = intervals(images, runs.settings, names=metrics_of.get(by, ONE_CLASS))
            figures[TEST, section] = _counts(images) | metrics
            if _is_small(by, images):
                few.append(section)
    return Findings(warnings=subgroup_warnings(few), metrics=figures)


def _counts(images: LabelledPredictions) -> Metrics:
    numbers = {"images": len(images.labels), "subjects": images.subjects}
    numbers |= {f"images/{name}": count for name, count in images.count_images().items()}
    return {name: Interval(count) for name, count in numbers.items()}


def _is_small(by: str, images: LabelledPredictions) -> bool:
    """Tell whether a class has few images.

    A kind is of one class, and a small subgroup easily lacks some of many: there only those that occur count.
    """
    counts = images.count_images().values()
    every = by != "kind" and len(counts) == 2
    return any(count < FEW_IMAGES and (count or every) for count in counts)


def subgroup_warnings(few: list[str]) -> list[EvaluationWarning]:
    """Name the subgroups with fewer than FEW_IMAGES images of a class."""
    if not few:
        return []
    names = ", ".join(few)
    if len(few) > SHOWN + 1:
        names = f"{', '.join(few[:SHOWN])} and {len(few) - SHOWN} more"
    text = f"fewer than {FEW_IMAGES} images of a class in {names}: their figures say little"
    return warnings_about("subgroups", [text])


def _in_order(names: pd.Series, order: list[str]) -> pd.Series:
    categories = pd.CategoricalDtype(list(dict.fromkeys([*order, UNKNOWN])))
    return names.astype(object).fillna(UNKNOWN).astype(categories).cat.remove_unused_categories()


def _by_size(frame: pd.DataFrame) -> pd.Series:
    """Divide by the third in which each image's longer side is."""
    sides = frame[["width", "height"]].apply(pd.to_numeric).max(axis=1, skipna=False).astype(float)
    if sides.isna().all():
        return _in_order(sides.astype(object), [])
    low, high = np.quantile(sides.dropna(), [1 / 3, 2 / 3], method="lower")
    names = [f"up to {low:.0f} px", f"{low + 1:.0f} to {high:.0f} px", f"over {high:.0f} px"]
    third = (sides > low).astype(int) + (sides > high)
    return _in_order(pd.Series(np.array(names, dtype=object)[third]).where(sides.notna()), names)
