"""All pairs of several experiments on the same images."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import NamedTuple

import numpy as np

from karyocyte.common.errors import UserError
from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.intervals.over_subjects import around
from karyocyte.evaluation.metrics.classification import DIFFERENCE, call
from karyocyte.evaluation.metrics.labelled import LabelledPredictions, score
from karyocyte.evaluation.metrics.leave_one_out import Combined
from karyocyte.evaluation.metrics.resampled import WeightedMetrics
from karyocyte.evaluation.pooling.experiments import Group
from karyocyte.evaluation.pooling.pooling import check_same_images, pool
from karyocyte.evaluation.types.result import Interval
from karyocyte.evaluation.types.warnings import few_clusters

# Below this number of images that one group alone predicts right, a bootstrap of predictions has too little to draw.
FEW_DISCORDANT = 10
COMPARED = ("f1_weighted", "auc", "accuracy")
REMEDY = "compare runs of one task and the same folds"


@dataclass(frozen=True)
class Pair:
    """Two groups, by their labels, on the same images: differences of metrics, first minus second."""

    first: str
    second: str
    images: int
    subjects: int | None
    differences: dict[str, Interval]


class PairLeftOut(NamedTuple):
    """Two groups that cannot be compared, and why: images, labels or classes differ."""

    first: str
    second: str
    reason: UserError


@dataclass(frozen=True)
class PairwiseComparison:
    """All pairs of several groups."""

    labels: list[str]
    pairs: list[Pair]
    left_out: list[PairLeftOut]
    warnings: list[str]


def compare_groups(groups: Sequence[Group], settings: EvaluationConfig) -> PairwiseComparison:
    """Compare every two groups, as ``grouping.group_runs`` returns them, on the test images of all their folds.

    Raises:
        UserError: See ``pool``.
    """
    pooled = []
    for group in groups:
        predictions = pool(group.runs)
        in_order = predictions.frame.sort_values("image_id", ignore_index=True)  # all draw the same subjects
        pooled.append(replace(predictions, frame=in_order))
    scored = list(map(score, pooled))
    statistics = [WeightedMetrics(images, names=COMPARED) for images in scored]
    pairs = []
    left_out = []
    warnings: dict[str, None] = {}
    few = 0
    for one, two in combinations(range(len(groups)), 2):
        labels = (groups[one].label, groups[two].label)
        try:
            # Groups of other images are no fault of the call: the remaining pairs are compared all the same.
            check_same_images(pooled[one], pooled[two], ("one", "the other"), ("label", "subject", "cell"), REMEDY)
        except UserError as reason:
            left_out.append(PairLeftOut(*labels, reason))
            continue
        both = Combined((statistics[one], statistics[two]), np.subtract.reduce)
        images = scored[one]
        differences = around(both, dict.fromkeys(COMPARED, DIFFERENCE), images, settings)
        pairs.append(Pair(*labels, len(images.labels), images.subjects, differences))
        few += _discordant(images, scored[two]) < FEW_DISCORDANT
        warnings |= dict.fromkeys(few_clusters(images.count_clusters(), images.drawn))
    if few:
        line = (
            f"in {few} of {len(pairs)} pairs fewer than {FEW_DISCORDANT} images are classified correctly by one side "
            "alone: intervals of calls say little there, go by that of the AUC"
        )
        warnings[line] = None
    names = [group.label for group in groups]
    return PairwiseComparison(names, pairs, left_out, list(warnings))


def _discordant(first: LabelledPredictions, second: LabelledPredictions) -> int:
    """Count the images, in the same order, that only one of the two predicts right (at 0.5)."""
    right, other = (call(each.probabilities, each.positive_index) == each.labels for each in (first, second))
    return int((right != other).sum())
