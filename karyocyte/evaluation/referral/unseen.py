"""Positive subjects whom nobody would look at: those all of whose images the release leaves without review.

A subject with one reviewed image is looked at, so a miss of an image is no miss of a person. With few subjects, a count
of zero says little; its upper limit says how much.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from karyocyte.evaluation.intervals.exact import share, upper_bound
from karyocyte.evaluation.metrics.labelled import LabelledPredictions
from karyocyte.evaluation.plots.plots import COLOURS, canvas
from karyocyte.evaluation.types.result import Interval, Metrics

PREVALENCES = (0.01, 0.02, 0.05, 0.10, 0.20, 0.50)
EXAMINED = 1000


def count_unseen(test: LabelledPredictions, review: np.ndarray, confidence: float) -> Metrics:
    """Count the subjects none of whose test images a person reviews.

    Args:
        test: The test images of all folds.
        review: Which of them a person reviews, bool, shape (N,).
        confidence: Of the interval and of the one-sided upper limit, 0 to 1.

    Returns:
        The shares of ``positive`` and ``negative`` subjects, the exact one-sided ``upper`` limit of the first, and the
        mean shares of a subject's images without review, ``positive_images`` and ``negative_images`` (None of no
        subject); {} where no subject is known.
    """
    if test.subjects is None:
        return {}
    images = pd.DataFrame({"positive": test.labels == test.positive_index, "unreviewed": ~review})
    subjects = images.groupby(test.clusters)
    positive = subjects["positive"].any()  # a subject is positive with one positive image
    unseen = subjects["unreviewed"].all()
    unreviewed = subjects["unreviewed"].mean()
    missed = share(unseen[positive].sum(), positive.sum(), confidence)
    return {
        "positive": missed,
        "negative": share(unseen[~positive].sum(), (~positive).sum(), confidence),
        "upper": Interval(upper_bound(missed.hits, missed.n, confidence)),
        "positive_images": _mean(unreviewed[positive]),
        "negative_images": _mean(unreviewed[~positive]),
    }


def _mean(shares: pd.Series) -> Interval:
    """Return the mean of shares; of value None of none, as where every subject has a positive image."""
    return Interval(float(shares.mean()) if len(shares) else None, n=len(shares))


def unseen_table(counts: Mapping[str, Metrics]) -> pd.DataFrame:
    """Return what the release does among 1,000 examined subjects at each prevalence, for counts by the label of a run.

    A row per run and prevalence: ``run``, ``positives``, ``unseen`` (of them), ``negatives``, ``spared`` (of them),
    ``positive_images`` and ``negative_images`` (mean shares of a subject's images without review), ``prevalence``,
    ``per_1000`` (positive subjects unseen) and ``per_1000_upper`` (its upper limit).
    """
    rows = []
    for label, unseen in counts.items():
        missed, spared = unseen["positive"], unseen["negative"]
        cells: dict[str, object] = {"run": label, "positives": missed.n, "unseen": missed.hits}
        cells |= {"negatives": spared.n, "spared": spared.hits}
        cells |= {name: unseen[name].value for name in ("positive_images", "negative_images")}
        for prevalence in PREVALENCES:
            ill = EXAMINED * prevalence
            limits = {"per_1000": ill * (missed.value or 0.0), "per_1000_upper": ill * (unseen["upper"].value or 0.0)}
            rows.append({**cells, "prevalence": prevalence, **limits})
    return pd.DataFrame(rows)


def draw_unseen(path: Path, table: pd.DataFrame, about: dict[str, Any]) -> None:
    """Draw a table of ``unseen_table`` to a PNG: runs with equal counts share a line."""
    with canvas(path, (5.2, 4.4), about) as figure:
        axis = figure.subplots()
        for number, ((unseen, positives), rows) in enumerate(table.groupby(["unseen", "positives"])):
            line = rows.drop_duplicates("prevalence")
            colour = COLOURS[number % len(COLOURS)]
            runs = rows["run"].unique()
            label = runs[0] if len(runs) == 1 else f"{len(runs)} runs"
            label = f"{label}: {unseen} of {positives} positive subjects unseen"
            axis.plot(line["prevalence"], line["per_1000"], color=colour, marker="o", label=label)
            axis.plot(line["prevalence"], line["per_1000_upper"], color=colour, linestyle="--", label="upper limit")
            axis.fill_between(line["prevalence"], line["per_1000"], line["per_1000_upper"], color=colour, alpha=0.12)
        axis.set_xscale("log")
        axis.set_xticks(list(PREVALENCES), [f"{prevalence:.0%}" for prevalence in PREVALENCES])
        axis.minorticks_off()
        axis.set_xlabel("prevalence of the positive class among subjects")
        axis.set_ylabel(f"positive subjects unseen, of {EXAMINED:,} examined")
        axis.legend(loc="upper left")
