"""The printed figures of the papers beside ours, each with a grade and with what deviates."""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby, permutations
from operator import attrgetter
from pathlib import Path
from typing import Any

import pandas as pd

from karyocyte.evaluation.metrics.classification import in_words
from karyocyte.evaluation.pooling.averaging import ensemble_name
from karyocyte.evaluation.types.formats import SEPARATOR
from karyocyte.evaluation.types.result import TEST, Estimate
from karyocyte.runs.run import Run
from reproduction.claims import EVIDENCE, RESULTS, TRAIN, Claim, printed_claims
from reproduction.measured import OF_EPOCH, Measured, measure_runs

NOT_RUN, OTHER_IMAGES, NO_FIGURE = "not run", "other images", "no figure is printed"
# A figure with several measurements counts by the first of these: it is reproduced where none says otherwise.
COUNTED = ("lower", "higher", "reproduced", "lower on a part", "higher on a part", "consistent", OTHER_IMAGES, NOT_RUN)
FIGURE = ["paper", "experiment", "section", "part", "metric", "printed"]
WIDE = 0.2  # ours: a wider interval that holds the printed figure shows little
NOTHING = Estimate(None)


def grade_table(paths: Sequence[Path] = (), papers: Sequence[str] = (), results: Path = RESULTS) -> pd.DataFrame:
    """Grade every printed figure of some papers (none named: all) by the 95 % interval of runs that repeat it.

    ``paths`` are folders of runs and ensembles (none named: those below ``evidence`` in ``results``). Runs of one
    experiment, protocol and configuration count together: the mean over folds and seeds.

    Returns:
        A row per printed figure, several where several groups of runs measured it, numbered by ``measurement`` (0: no
        run). ``value``, ``low`` and ``high`` are ours on the paper's split, ``apart`` with no subject in two parts;
        ``grade`` is one of COUNTED with its reason, or with how many images it is on; ``deviations`` names settings of
        ours that differ from conf/.
    """
    runs = list(map(Run.open, paths)) or Run.find(Path(results) / EVIDENCE)
    claims = printed_claims(results, tuple(papers))
    if paths:
        claims = [replace(claim, not_run="no such run is named") for claim in claims]
    names = {claim.experiment: _names(claim) for claim in claims}
    # Each run that is measured costs resamples: those that no figure is of are passed over.
    known = set().union(*names.values())
    measured = measure_runs([run for run in runs if str(run.predictions.about.get("name")) in known])
    rows = []
    for experiment, group in groupby(claims, attrgetter("experiment")):
        rows += _rows(list(group), [each for each in measured if each.experiment in names[experiment]])
    return pd.DataFrame(rows).astype({"images": "Int64", "images_seen": "Int64"})


def _names(claim: Claim) -> set[str]:
    """Return the names of the runs of a claim: its experiment's, or an ensemble's by its members in any order."""
    orders = map(list, permutations(claim.members)) if claim.members else ()
    return {claim.experiment, *(ensemble_name(claim.method, len(order), order) for order in orders)} - {""}


def _pairs(measured: Sequence[Measured]) -> list[tuple[Measured, Measured | None]]:
    """Put beside each measurement on the paper's split the first one of equal settings with subjects apart."""
    groups: dict[tuple[str, ...], list[Measured]] = {}
    for each in measured:
        groups.setdefault((each.data, *each.departures), []).append(each)
    pairs: list[tuple[Measured, Measured | None]] = []
    for group in groups.values():
        of_paper = [each for each in group if each.protocol == "paper"]
        apart = next((each for each in group if each.is_apart), None)
        # Without a run on the paper's split each run stands for itself.
        pairs += [(each, apart if of_paper else each) for each in of_paper or group]
    return pairs


def _rows(claims: Sequence[Claim], measured: Sequence[Measured]) -> list[dict[str, Any]]:
    rows = []
    pairs = _pairs(measured)
    for number, pair in enumerate(pairs, 1) if pairs else [(0, (None, None))]:
        rows += [_row(claim, *pair) | {"measurement": number} for claim in claims]
    return rows


def _row(claim: Claim, own: Measured | None, apart: Measured | None) -> dict[str, Any]:
    metric = (claim.part, claim.metric)
    # On another split a figure is none that the paper could have printed.
    value = own.values.get(metric, NOTHING) if own and own.protocol == "paper" else NOTHING
    row: dict[str, Any] = {name: getattr(claim, name) for name in (*FIGURE, "headline", "note")}
    row |= {name: getattr(own, name, None) for name in ("data", "protocol", "folds", "seeds")}
    row |= {"value": value.value, "low": value.low, "high": value.high}
    row |= {"images": own and own.images.get(claim.part), "of_images": claim.data.sizes[claim.part]}
    row |= (apart.values.get(metric, NOTHING) if apart and apart.is_apart else NOTHING).columns("apart")
    row |= {name: getattr(own, name, None) for name in ("images_seen", "revision")}
    grade = _grade(claim, own, value)
    deviations = [claim.deviation, *_departures(own, grade, value)]
    return row | {"grade": grade, "deviations": SEPARATOR.join(filter(None, deviations))}


def _departures(own: Measured | None, grade: str, value: Estimate) -> list[str]:
    """Return in what runs depart from the paper: on other images in anything, else in what it does not print."""
    departures = own.departures if own else {}
    texts = [text for text, printed in departures.items() if not printed or grade == OTHER_IMAGES]
    texts += own.notes if own else ()
    if value.low is not None and value.high is not None and value.high - value.low > WIDE:
        texts.append(f"interval wider than {WIDE}")
    return texts


def _grade(claim: Claim, own: Measured | None, value: Estimate) -> str:
    """Return the grade of a figure with why it has none of ours, or with how many of the paper's images it is on."""
    if not claim.printed:
        return NO_FIGURE
    if own is None:
        return f"{NOT_RUN}: {claim.not_run or 'no predictions are kept'}"
    size = claim.data.sizes[claim.part]
    images = _images(claim, own)
    is_whole = claim.data.is_whole(claim.part, images)
    if _has_other_images(claim, own, images):
        return OTHER_IMAGES
    if reason := _reason(claim, own, value, images / size):
        return f"{NOT_RUN}: {reason}"
    grade = _verdict(claim, value, is_whole)
    if is_whole or claim.metric in OF_EPOCH:  # the images of an epoch are not counted
        return grade + ", on a part of the images" * (not is_whole)
    return f"{grade}, on {images:,} of {size:,} {claim.part} images"


def _has_other_images(claim: Claim, own: Measured, images: int) -> bool:
    """Tell whether the images are of another data set, or fewer than the paper's whole part when all are public."""
    if own.data != claim.data.dataset:
        return True
    # The parts of another split have other sizes; that is no other data set.
    if own.protocol != "paper" or claim.data.is_whole(claim.part, images):
        return False
    return images >= claim.data.sizes[claim.part] * claim.data.public


def _images(claim: Claim, own: Measured) -> int:
    """Return on how many images a figure is; means over an epoch are on as large a share as the test images."""
    if claim.metric in OF_EPOCH and TEST in own.images:
        return round(own.images[TEST] / claim.data.sizes[TEST] * claim.data.sizes[TRAIN])
    return own.images.get(claim.part) or claim.data.sizes[claim.part]


def _reason(claim: Claim, own: Measured, value: Estimate, share: float) -> str:
    """Return why a run, on a ``share`` of the paper's images, does not repeat a figure; "" where it does."""
    name, seen, epoch = in_words(claim.metric)[0], own.images_seen, share * claim.data.sizes[TRAIN]
    printed = SEPARATOR.join(text for text, is_printed in own.departures.items() if is_printed)
    reasons = {
        printed: printed,
        f"protocol={own.protocol} is not the paper's split": own.protocol != "paper",
        f"{seen or 0:,.0f} images seen, less than one epoch": seen is not None and seen < epoch,
        f"the run keeps no {claim.part} {name}": (claim.part, claim.metric) not in own.values,
        f"the {name} is undefined": value.value is None,
        "a single seed has no interval: train seeds 0, 1 and 2": value.low is None,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _verdict(claim: Claim, value: Estimate, is_whole: bool) -> str:
    """Say where an interval is beside the printed figure; on a part of the images to hold it proves less."""
    low, high = claim.bounds
    assert value.low is not None
    assert value.high is not None
    if value.high < low:
        return "lower"
    if value.low > high:
        return "higher"
    return "reproduced" if is_whole else "consistent"


def counted_as(grade: str) -> str:
    """Return the grade without its reason: one of COUNTED, or NO_FIGURE."""
    word = grade.partition(":")[0]
    return re.sub("^consistent on a part$", "consistent", re.sub(", on .*", " on a part", word))


def count_grades(figures: pd.DataFrame) -> dict[str, int]:
    """Count the printed figures by grade, in the order of COUNTED; each once, also where several groups measured it."""
    printed = figures[figures["printed"] != ""]
    ranks = printed["grade"].map(counted_as).map(COUNTED.index)
    counts = ranks.groupby([printed[name] for name in FIGURE]).min().value_counts().sort_index()
    return {COUNTED[rank]: count for rank, count in counts.items()}


def grade_summary(figures: pd.DataFrame) -> str:
    """Return how many printed figures there are, and with which grades."""
    counts = count_grades(figures)
    return f"{sum(counts.values())} printed figures: {', '.join(f'{count} {grade}' for grade, count in counts.items())}"
