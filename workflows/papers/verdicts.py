"""The printed figures of the papers beside ours, split as the paper did and honestly, with a verdict on each."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from math import sqrt
from pathlib import Path
from typing import Any

import pandas as pd

from common.errors import UserError
from common.paths import ROOT
from common.runs.run import Run
from evaluation.averaging import ensemble_name
from evaluation.result import Estimate
from workflows.papers.claims import Claim, Figure, PaperData, printed_claims
from workflows.papers.measured import (
    OF_EPOCH,
    Measured,
    is_results_table,
    measure_results,
    measure_runs,
    read_measurements,
)

OFFICIAL = {"mnist": 10_000, "cifar10": 10_000}  # images of the official test set
REPRODUCED = "reproduced"
HIGHER = "higher"
LOWER = "lower"
NOT_COMPARABLE = "not comparable"
NOT_MEASURED = "not measured here"
RESULTS = ROOT / "results"
COSTS = ("folds", "seeds", "images_seen", "minutes", "revision")
# Ours: half the width beyond which an interval that holds the printed figure shows little. The t interval of two seeds
# is such a one, with a single degree of freedom. A small part may have the width of a share of its images.
WIDEST = 0.1


@dataclass(frozen=True)
class RunPair:
    """Measurements of a claim with the same departures; either may be lacking.

    Attributes:
        neither: One alone, whose split is neither the paper's nor honest.
    """

    as_paper: Measured | None = None
    honest: Measured | None = None
    neither: Measured | None = None

    @property
    def any(self) -> Measured | None:
        """The first of them that there is."""
        return self.as_paper or self.honest or self.neither


@dataclass(frozen=True)
class ComparedFigure:
    """A printed figure beside ours.

    Attributes:
        claim: The experiment that it is printed of.
        runs: Our runs: ``as_paper`` split as the paper did; ``honest`` with no subject in two parts, on the official
            test images, or on images of unknown subjects.
        verdict: "reproduced" where our 95 % interval, split as the paper did on the paper's data, holds the printed
            value, "higher" or "lower" where ours lies above or below it, else "not comparable".
        reasons: Why it is not comparable; empty for other verdicts.
    """

    claim: Claim
    figure: Figure
    runs: RunPair
    verdict: str
    reasons: tuple[str, ...]

    @property
    def ours(self) -> Estimate | None:
        """Our value, split as the paper did; None where it was not measured."""
        return _value(self.runs.as_paper, self.figure)

    @property
    def ours_honest(self) -> Estimate | None:
        """Our value on the honest split; None where it was not measured."""
        return _value(self.runs.honest, self.figure)

    @property
    def is_measured(self) -> bool:
        """Whether there is any run of the experiment."""
        return self.runs.any is not None

    def cells(self) -> dict[str, Any]:
        """Return the row of a table; what is ours begins with ``as_paper`` or ``honest``."""
        figure = self.figure
        measured = self.runs.any
        cells: dict[str, Any] = {
            "paper": self.claim.paper,
            "experiment": self.claim.experiment,
            "section": figure.section,
        }
        cells |= {"dataset": self.claim.data.dataset, "part": figure.part, "metric": figure.metric}
        cells |= {"printed": figure.printed, "headline": figure.headline, "measured_on": measured and measured.data}
        roles = (("as_paper", self.runs.as_paper, self.ours), ("honest", self.runs.honest, self.ours_honest))
        for role, runs, value in roles:
            cells |= (value or Estimate(None, None, None)).columns(role)
            cells[f"{role}_images"] = runs and runs.images.get(figure.part)
            cells |= {f"{role}_{name}": runs and getattr(runs, name) for name in COSTS}
        return cells | {"verdict": self.verdict, "reason": "; ".join(self.reasons), "deviation": self.claim.deviation}


def compare_runs(paths: Sequence[Path], papers: Sequence[str] = (), results: Path = RESULTS) -> list[ComparedFigure]:
    """Compare finished runs with what the papers print of their experiments.

    Runs of one experiment, protocol and configuration count together: the mean over folds and seeds.

    Args:
        paths: Folders of runs and ensembles; also tables that evaluate.py --csv or collect.py wrote.
        papers: Such as ("004",); empty: all.
        results: The folder with ``claims.csv`` and ``claims/``.

    Returns:
        Every printed figure of these papers, several times where several groups of runs measured it, and with
        ``is_measured`` false where none did.

    Raises:
        UserError: A path is neither a run nor such a table, two runs of one experiment and configuration are of the
            same fold and seed, or no claim is of a paper that is named.
    """
    return compare(measure(paths), printed_claims(results, tuple(papers)))


def measure(paths: Sequence[Path]) -> list[Measured]:
    """Measure finished runs, and read tables of results; see ``compare_runs``."""
    tables = [path for path in paths if path.suffix == ".csv"]
    measured = measure_runs([Run.open(path) for path in paths if path not in tables])
    for table in tables:
        if not is_results_table(table):
            raise UserError(f"{table} is no table of evaluate.py --csv or collect.py: name one, or a run's folder")
        measured += read_measurements(table)
    return measured


def compare_results(results: Path = RESULTS, papers: Sequence[str] = ()) -> list[ComparedFigure]:
    """Compare the tables of measured results in a folder with what the papers print; see ``compare_runs``."""
    return compare(measure_results(results), printed_claims(results, tuple(papers)))


def compare(measured: Sequence[Measured], claims: Sequence[Claim]) -> list[ComparedFigure]:
    """Return every figure of the claims beside its measurements; see ``compare_runs``."""
    compared = []
    for claim in claims:
        for runs in _pairs(measured, claim):
            of_runs = _reasons_of_runs(runs, claim.data)
            compared += [_compare_figure(claim, figure, runs, of_runs) for figure in claim.figures]
    return compared


def to_frame(compared: Sequence[ComparedFigure]) -> pd.DataFrame:
    """Return compared figures as a table, see ``ComparedFigure.cells``."""
    return pd.DataFrame([figure.cells() for figure in compared])


def _compare_figure(claim: Claim, figure: Figure, runs: RunPair, of_runs: list[str]) -> ComparedFigure:
    reasons = list(of_runs)
    if not figure.printed:
        reasons.insert(0, "no figure is printed")
    ours = _value(runs.as_paper, figure)
    verdict = NOT_COMPARABLE
    if not reasons:
        reasons = _reasons_of_value(ours, figure)
    if not reasons and ours and runs.as_paper:
        verdict = _verdict(ours, figure)
        if verdict == REPRODUCED:
            reasons = _reasons_of_width(ours, runs.as_paper.images[figure.part])
    return ComparedFigure(claim, figure, runs, NOT_COMPARABLE if reasons else verdict, tuple(reasons))


def _reasons_of_value(ours: Estimate | None, figure: Figure) -> list[str]:
    """Return why a value cannot be compared; [] where it can."""
    name, _, of = figure.metric.partition("/")
    if ours is None:
        return [f"{figure.part} {figure.metric} not recorded"]
    if ours.value is None:
        return ["undefined: " + (f"nothing was predicted as {of}" if name == "precision" else figure.metric)]
    if ours.low is None or ours.high is None:
        return ["a mean over an epoch, without interval" if figure.metric in OF_EPOCH else "no interval"]
    return []


def _verdict(ours: Estimate, figure: Figure) -> str:
    low, high = figure.bounds
    assert ours.low is not None
    assert ours.high is not None
    if ours.high < low:
        return LOWER
    if ours.low > high:
        return HIGHER
    return REPRODUCED


def _reasons_of_width(ours: Estimate, images: float) -> list[str]:
    """Name an interval that is wider than WIDEST, and than the 95 % interval of a share of so many images."""
    assert ours.low is not None
    assert ours.high is not None
    if ours.high - ours.low > 2 * max(WIDEST, 1 / sqrt(images)):
        return [f"interval too wide ({ours.low:.2f} to {ours.high:.2f})"]
    return []


def _value(measured: Measured | None, figure: Figure) -> Estimate | None:
    return measured.values.get((figure.part, figure.metric)) if measured else None


def _pairs(measured: Sequence[Measured], claim: Claim) -> list[RunPair]:
    """Return the measurements of a claim, data set by data set.

    Two stand side by side where no other is of their data set and departures, since they are of one configuration then.
    """
    names = {claim.experiment}
    if claim.members:
        orders = permutations(claim.members)
        names |= {ensemble_name(claim.method, len(order), list(order)) for order in orders}
    groups: dict[tuple[str, ...], list[Measured]] = {}
    for each in measured:
        if each.experiment in names and (not claim.members or each.data == claim.data.dataset):
            groups.setdefault((each.data, *each.departures), []).append(each)
    pairs = []
    for group in groups.values():
        splits = [_split(each) for each in group]
        if sorted(splits) == ["as_paper", "honest"]:
            pairs.append(RunPair(**dict(zip(splits, group, strict=True))))
        else:
            pairs += [RunPair(**{split: each}) for split, each in zip(splits, group, strict=True)]
    return pairs or [RunPair()]


def _split(measured: Measured) -> str:
    """Return which attribute of a ``RunPair`` a measurement is."""
    if measured.protocol == "paper":
        return "as_paper"
    return "honest" if _is_honest(measured) else "neither"


def _is_honest(measured: Measured) -> bool:
    """Tell whether no subject is in two parts, as far as is known."""
    if measured.protocol == "image":
        official = OFFICIAL.get(measured.data)
        return measured.subjects is None or official == measured.images.get("test")
    return measured.protocol == "subject"


def _reasons_of_runs(runs: RunPair, data: PaperData) -> list[str]:
    """Return why no figure of these runs can be compared; [] where they are of the paper's data, split and budget."""
    ours = runs.any
    if ours is None:
        return [NOT_MEASURED]
    reasons = []
    if ours.data != data.dataset:
        reasons.append(f"another data set ({ours.data})")
    elif runs.as_paper:
        reasons += _reasons_of_sizes(ours, data)
    elif ours.total("test") < data.total and ours.total("test") != OFFICIAL.get(ours.data):
        reasons.append(_other_number(ours.total("test"), data.total, "images", data))
    if runs.neither:
        reasons.append(f"neither the paper's split nor honest (protocol={ours.protocol}, known subjects)")
    elif runs.as_paper is None:
        reasons.append("not split as the paper did")
    if ours.images_seen is not None and ours.images_seen < data.train:
        reasons.append(f"{ours.images_seen:,.0f} images seen, one epoch of the paper's is {data.train:,}")
    return reasons + list(ours.departures)


def _reasons_of_sizes(ours: Measured, data: PaperData) -> list[str]:
    """Name the parts, of those that are recorded, that are not of the paper's size."""
    reasons = []
    for part, images in ours.images.items():
        if not data.allows(part, round(images)):
            reasons.append(_other_number(round(images), data.size(part), f"{part} images", data))
    return reasons


def _other_number(images: int, expected: int, what: str, data: PaperData) -> str:
    words = f"{images:,} of {expected:,} {what}" if images < expected else f"{images:,} {what} instead of {expected:,}"
    return words + ("" if data.public else ", which are not public")
