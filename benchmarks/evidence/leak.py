"""What a split with the same persons in training and test adds to a figure: the same network on the same test images.

One run of ``protocol=paper`` and the folds of ``protocol=subject`` are compared on the images that both have tested:
those of the random test part, predicted once by a network that knows other images of the same persons, once by one that
knows none. Intervals are by persons.
"""

from dataclasses import replace

from karyocyte.common.errors import UserError
from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.comparison.pairwise import compare_groups
from karyocyte.evaluation.intervals.grouping import Group
from karyocyte.evaluation.metrics.labelled import score
from karyocyte.evaluation.metrics.resampled import evaluate
from karyocyte.evaluation.pooling.pooling import pool
from karyocyte.runs.predictions import Predictions

METRICS = ("auc", "f1_weighted")


def shared(first: Predictions, second: Predictions) -> tuple[Predictions, Predictions]:
    """Return both with the images alone that are in both."""
    images = set(first.frame["image_id"]) & set(second.frame["image_id"])
    if not images:
        raise UserError("no image was tested under both protocols: name runs of one data set")
    return _only(first, images), _only(second, images)


def leak(network: str, runs: list[Predictions]) -> list[dict[str, object]]:
    """Return a row per metric: its value on the random split, with persons apart, and the difference."""
    by_protocol = {}
    for protocol in ("paper", "subject"):
        found = [run for run in runs if run.about["protocol"] == protocol]
        if not found:
            raise UserError(f"{network}: no run has protocol={protocol}: name runs of both")
        by_protocol[protocol] = pool(found)
    known, apart = shared(by_protocol["paper"], by_protocol["subject"])
    groups = [Group(label, (part,), (label,)) for label, part in (("random", known), ("apart", apart))]
    pair = compare_groups(groups, EvaluationConfig()).pairs[0]
    rows = []
    of_random, of_apart = evaluate(score(known)), evaluate(score(apart))
    for metric in METRICS:
        difference = pair.differences[metric]
        row = {"network": network, "metric": metric, "images": pair.images, "persons": pair.subjects}
        row |= {"random": of_random[metric], "apart": of_apart[metric]}
        rows.append(
            row | {"difference": difference.value, "difference_low": difference.low, "difference_high": difference.high}
        )
    return rows


def _only(predictions: Predictions, images: set[str]) -> Predictions:
    frame = predictions.frame
    return replace(predictions, frame=frame[frame["image_id"].isin(images)].reset_index(drop=True))
