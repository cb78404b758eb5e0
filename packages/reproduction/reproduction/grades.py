"""The printed figures of the papers beside ours, each with a grade and with what deviates."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby, permutations
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from karyocyte.evaluation.metrics.classification import in_words, lower_is_better
from karyocyte.evaluation.pooling.averaging import ensemble_name
from karyocyte.evaluation.types.formats import SEPARATOR
from karyocyte.evaluation.types.result import TEST, Estimate
from karyocyte.runs.run import Run
from reproduction.claims import EVIDENCE, RESULTS, TRAIN, Claim, printed_claims
from reproduction.difference import BETTER, CANNOT_TELL, REPRODUCED, WORSE, Spread, difference, verdict
from reproduction.measured import OF_EPOCH, Figure, Measured, measure_runs

NOT_RUN, OTHER_IMAGES, NO_FIGURE = "not run", "other images", "no figure is printed"
OTHER_SETTINGS = "run at other settings (not graded)"
# A figure with several measurements counts by the first of these: it is reproduced where none says otherwise.
COUNTED = (*WORSE, *BETTER, CANNOT_TELL, REPRODUCED, OTHER_IMAGES, OTHER_SETTINGS, NOT_RUN)
COMPARED = (*WORSE, *BETTER, CANNOT_TELL, REPRODUCED)
FIGURE = ["paper", "experiment", "section", "part", "metric", "printed"]
NOTHING = Figure(Estimate(None), Spread(0, float("nan")))


@dataclass(frozen=True)
class Grade:
    """A grade with its reason, ours minus print, and how many figures of other networks ours would reproduce, too."""

    text: str
    difference: Estimate = Estimate(None)
    rivals: str = ""


def grade_table(paths: Sequence[Path] = (), papers: Sequence[str] = (), results: Path = RESULTS) -> pd.DataFrame:
    """Grade every printed figure of some papers (none named: all) by runs that repeat it.

    ``paths`` are folders of runs and ensembles (none named: those below ``evidence`` in ``results``). Runs of one
    experiment, protocol and configuration count together: the mean over folds and seeds.

    Returns:
        A row per printed figure, several where several groups of runs measured it, numbered by ``measurement`` (0: no
        run) and told apart by their ``reading``. ``value`` is ours on the paper's split, with the interval over persons
        from ``persons_low`` to ``persons_high``; ``difference`` is ours minus print, with the interval that decides
        ``grade``, one of COUNTED with its reason; ``rivals`` counts figures of the paper's other networks that ours
        would reproduce, too; ``apart`` is with no subject in two parts; ``one_class`` counts trainings that no figure
        has; ``deviations`` names settings of ours that differ from conf/.
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
        rows += _rows(list(group), claims, [each for each in measured if each.experiment in names[experiment]])
    return pd.DataFrame(rows).astype({"images": "Int64", "images_seen": "Int64"})


def _names(claim: Claim) -> set[str]:
    """Return the names of the runs of a claim: its experiment's, or an ensemble's by its members in any order."""
    orders = map(list, permutations(claim.members)) if claim.members else ()
    return {claim.experiment, *(ensemble_name(claim.method, len(order), order) for order in orders)} - {""}


def _pairs(measured: Sequence[Measured]) -> list[tuple[Measured, Measured | None]]:
    """Put beside each measurement on the paper's split one of equal settings with persons apart."""
    groups: dict[tuple[str, ...], list[Measured]] = {}
    for each in measured:
        groups.setdefault((each.data, *each.departures), []).append(each)
    pairs: list[tuple[Measured, Measured | None]] = []
    for group in groups.values():
        of_paper = [each for each in group if each.protocol == "paper"]
        # Without a run on the paper's split each run stands for itself.
        pairs += [(each, _apart(group, each.revision) if of_paper else each) for each in of_paper or group]
    return sorted(pairs, key=lambda pair: len(pair[0].departures))  # the one that is nearest to conf/ first


def _apart(group: Sequence[Measured], revision: str) -> Measured | None:
    """Return one with persons apart, of this revision if there is one: others may deal the folds differently."""
    apart = [each for each in group if each.is_apart]
    return min(apart, key=lambda each: each.revision != revision, default=None)


def _rows(claims: Sequence[Claim], of_papers: Sequence[Claim], measured: Sequence[Measured]) -> list[dict[str, Any]]:
    rows = []
    pairs = _pairs(measured)
    for number, pair in enumerate(pairs, 1) if pairs else [(0, (None, None))]:
        place = {"measurement": number, "reading": _reading(pair[0], pairs)}
        rows += [_row(claim, _rivals(claim, of_papers), *pair) | place for claim in claims]
    return rows


def _reading(own: Measured | None, pairs: Sequence[tuple[Measured, Measured | None]]) -> str:
    """Return in what a measurement departs from conf/ and another one does not; "" of a single one."""
    if own is None or len(pairs) < 2:
        return ""
    shared = set.intersection(*(set(each.departures) for each, _ in pairs))
    own_alone = [text.partition(" instead of ")[0] for text in own.departures if text not in shared]
    return SEPARATOR.join(own_alone) or "as in conf/"


def _rivals(claim: Claim, claims: Sequence[Claim]) -> list[Claim]:
    """Return the figures of the same part and metric that the paper prints of other experiments of its own."""
    alike = [each for each in claims if each.printed and each.experiment not in ("", claim.experiment)]
    key = attrgetter("paper", "part", "metric")
    return [each for each in alike if key(each) == key(claim)]


def _row(claim: Claim, rivals: Sequence[Claim], own: Measured | None, apart: Measured | None) -> dict[str, Any]:
    metric = (claim.part, claim.metric)
    # On another split a figure is none that the paper could have printed.
    figure = own.figures.get(metric, NOTHING) if own and own.protocol == "paper" else NOTHING
    ours = figure.over_persons
    grade = _grade(claim, rivals, own, figure)
    row: dict[str, Any] = {name: getattr(claim, name) for name in (*FIGURE, "headline", "note")}
    row |= {name: getattr(own, name, None) for name in ("data", "protocol", "folds", "seeds", "one_class")}
    row |= {"images": own and own.images.get(claim.part), "of_images": claim.data.sizes[claim.part]}
    row |= {"value": ours.value, **grade.difference.columns("difference"), "grade": grade.text, "rivals": grade.rivals}
    row |= {"persons_low": ours.low, "persons_high": ours.high}
    row |= (apart.figures.get(metric, NOTHING) if apart and apart.is_apart else NOTHING).over_persons.columns("apart")
    row |= {name: getattr(own, name, None) for name in ("images_seen", "revision")}
    return row | {"deviations": SEPARATOR.join(filter(None, [claim.deviation, *_departures(own, grade.text)]))}


def _departures(own: Measured | None, grade: str) -> list[str]:
    """Return in what runs depart from the paper: on other images in anything, else in what it does not print."""
    departures = own.departures if own else {}
    texts = [text for text, printed in departures.items() if not printed or grade == OTHER_IMAGES]
    return texts + list(own.notes if own else ())


def _grade(claim: Claim, rivals: Sequence[Claim], own: Measured | None, figure: Figure) -> Grade:
    """Return the grade of a figure, or why it has none of ours."""
    value, spread = figure.over_persons.value, figure.spread
    refusal = _refusal(claim, own, value)
    if value is None or counted_as(refusal) in (NO_FIGURE, OTHER_IMAGES, OTHER_SETTINGS, NOT_RUN):
        return Grade(refusal)
    found = difference(claim, value, spread)
    if refusal or found.low is None:
        return Grade(refusal or f"{CANNOT_TELL}: one seed, train seeds 0, 1 and 2", found)
    alike = [each for each in rivals if verdict(each.metric, difference(each, value, spread)) == REPRODUCED]
    return Grade(verdict(claim.metric, found), found, f"{len(alike)} of {len(rivals)}")


def _refusal(claim: Claim, own: Measured | None, value: float | None) -> str:
    """Return the grade of a figure that cannot be compared; "" where it can."""
    if not claim.printed:
        return NO_FIGURE
    if own is None:
        return f"{NOT_RUN}: {claim.not_run or 'no predictions are kept'}"
    images = _images(claim, own)
    if _has_other_images(claim, own, images):
        return OTHER_IMAGES
    if reason := _reason(claim, own, images / claim.data.sizes[claim.part]):
        return f"{NOT_RUN if value is None else OTHER_SETTINGS}: {reason}"
    return _without_value(claim, own, value)


def _without_value(claim: Claim, own: Measured, value: float | None) -> str:
    """Return the grade of a figure that runs as in the paper do not have; "" where they have it."""
    failed, trainings = map(int, own.one_class.split(" of "))
    if failed and trainings - failed < 2:
        return f"{CANNOT_TELL}: {own.one_class} trainings name one class for all images"
    name = in_words(claim.metric)[0]
    if (claim.part, claim.metric) not in own.figures:
        return f"{NOT_RUN}: the run keeps no {claim.part} {name}"
    return f"{NOT_RUN}: the {name} is undefined" if value is None else ""


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


def _reason(claim: Claim, own: Measured, share: float) -> str:
    """Return why a run, on a ``share`` of the paper's images, does not repeat a figure; "" where it does."""
    seen, epoch = own.images_seen, share * claim.data.sizes[TRAIN]
    if printed := SEPARATOR.join(text for text, is_printed in own.departures.items() if is_printed):
        return printed
    if own.protocol != "paper":
        return f"protocol={own.protocol} is not the paper's split"
    return f"{seen:,.0f} images seen, less than one epoch" if seen is not None and seen < epoch else ""


def counted_as(grade: str) -> str:
    """Return the grade without its reason: one of COUNTED, or NO_FIGURE."""
    return grade.partition(":")[0]


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


def sign_tests(figures: pd.DataFrame) -> pd.DataFrame:
    """Test by paper whether its networks are as often better as worse than printed: the sign test, two-sided.

    A network counts by its weighted F1 on the test images, where it is printed, and by what most of all its figures
    are; with several measurements by the first. One that is neither better nor worse does not count.
    """
    rows = figures[figures["grade"].map(counted_as).isin(COMPARED)].drop_duplicates(FIGURE)
    signs = np.sign(rows["difference"].astype(float)) * [-1 if lower_is_better(name) else 1 for name in rows["metric"]]
    of_f1 = (rows["part"] == TEST) & (rows["metric"] == "f1_weighted")
    found = []
    for kind, chosen in {"test weighted F1": signs[of_f1], "most figures": signs}.items():
        networks = chosen.groupby([rows["paper"], rows["experiment"]]).sum()
        for paper, sums in networks[networks != 0].groupby("paper"):
            better = int((sums > 0).sum())
            row = {"paper": paper, "figures": kind, "networks": len(sums), "worse": len(sums) - better}
            found.append(row | {"better": better, "p": stats.binomtest(better, len(sums)).pvalue})
    return pd.DataFrame(found)
