"""What a split with the same persons in training and test adds to a figure: the same network on the same test images.

One run of ``protocol=paper`` and the folds of ``protocol=subject`` are compared on the images that both have tested:
those of the random test part, predicted once by a network that knows other images of the same persons, once by one that
knows none. Intervals are by persons.
"""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from karyocyte.evaluation.comparison.pairwise import compare_groups
from karyocyte.evaluation.intervals.grouping import Group
from karyocyte.evaluation.metrics.labelled import score
from karyocyte.evaluation.metrics.resampled import evaluate
from karyocyte.evaluation.pooling.pooling import pool
from karyocyte.runs.predictions import Predictions
from reproduction.measured import SETTINGS

METRICS = ("auc", "f1_weighted")


def rows_of_leaks(groups: Sequence[Group]) -> pd.DataFrame:
    """Return what the paper's split adds to each network that was also trained with persons apart, a row per metric."""
    of_network: dict[tuple[str, ...], dict[str, list[Predictions]]] = {}
    for group in groups:
        about = group.runs[0].about
        key = tuple(str(about[fact]) for fact in ("name", "config", "seed"))
        by_protocol = of_network.setdefault(key, {})
        by_protocol.setdefault(str(about["protocol"]), []).extend(run.part("test") for run in group.runs)
    rows = []
    for (network, config, seed), tests in of_network.items():
        if tests.keys() >= {"paper", "subject"}:
            leaks = _leaks(pool(tests["paper"]), pool(tests["subject"]))
            rows += [{"config": config, "seed": seed, "network": network, **row} for row in leaks]
    return pd.DataFrame(rows)


def _leaks(random: Predictions, apart: Predictions) -> list[dict[str, object]]:
    """Return a row per metric: its value on the random split, with persons apart, and the difference."""
    images = set(random.frame["image_id"]) & set(apart.frame["image_id"])
    both = [_only(predictions, images) for predictions in (random, apart)]
    groups = [Group(label, (part,), ()) for label, part in zip(("random", "apart"), both, strict=True)]
    pair = compare_groups(groups, SETTINGS).pairs[0]
    of_random, of_apart = (evaluate(score(part)) for part in both)
    rows = []
    for metric in METRICS:
        row: dict[str, object] = {"metric": metric, "images": pair.images, "persons": pair.subjects}
        row |= {"random": of_random[metric], "apart": of_apart[metric]}
        rows.append(row | pair.differences[metric].columns("difference"))
    return rows


def _only(predictions: Predictions, images: set[str]) -> Predictions:
    frame = predictions.frame
    return replace(predictions, frame=frame[frame["image_id"].isin(images)].reset_index(drop=True))
