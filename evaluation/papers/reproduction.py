"""The printed figures of the papers beside ours, split as the paper did and honestly, with a verdict on each."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations, zip_longest
from pathlib import Path
from typing import Any

import pandas as pd

from common.errors import UserError
from common.paths import ROOT
from common.runs.run import Run
from evaluation.ensembles.averaging import ensemble_name
from evaluation.papers.claims import Claim, Figure, PaperData, printed_claims
from evaluation.papers.measured import OF_EPOCH, Measured
from evaluation.papers.of_runs import measure_runs
from evaluation.papers.of_tables import is_results_table, measure_results, read_measurements
from evaluation.result import Estimate

OFFICIAL = {"mnist": 10_000, "cifar10": 10_000}  # images of the official test set
REPRODUCED = "reproduced"
HIGHER = "higher"
LOWER = "lower"
NOT_COMPARABLE = "not comparable"
NOT_MEASURED = "not measured here"
RESULTS = ROOT / "results"
COSTS = ("folds", "seeds", "images_seen", "minutes", "revision")
Pair = tuple[Measured | None, Measured | None]  # split as the paper did, and honestly


@dataclass(frozen=True)
class ComparedFigure:
    """A printed figure beside ours.

    Attributes:
        claim: The experiment that it is printed of.
        as_paper: Our runs, split as the paper did; None where there is none.
        honest: Our runs with no subject in two parts, on the official test images, or on images of unknown subjects.
        verdict: "reproduced" where our 95 % interval, split as the paper did on the paper's data, holds the printed
            value, "higher" or "lower" where ours lies above or below it, else "not comparable".
        reasons: Why it is not comparable; empty for other verdicts.
    """

    claim: Claim
    figure: Figure
    as_paper: Measured | None
    honest: Measured | None
    verdict: str
    reasons: tuple[str, ...]

    @property
    def ours(self) -> Estimate | None:
        """Our value, split as the paper did; None where it was not measured."""
        return _value(self.as_paper, self.figure)

    @property
    def ours_honest(self) -> Estimate | None:
        """Our value on the honest split; None where it was not measured."""
        return _value(self.honest, self.figure)

    @property
    def is_measured(self) -> bool:
        """Whether there is any run of the experiment."""
        return self.as_paper is not None or self.honest is not None

    def cells(self) -> dict[str, Any]:
        """Return the row of a table; what is ours begins with ``as_paper`` or ``honest``."""
        figure = self.figure
        measured = self.as_paper or self.honest
        cells: dict[str, Any] = {
            "paper": self.claim.paper,
            "experiment": self.claim.experiment,
            "section": figure.section,
        }
        cells |= {"dataset": self.claim.data.dataset, "part": figure.part, "metric": figure.metric}
        cells |= {"printed": figure.printed, "headline": figure.headline, "measured_on": measured and measured.data}
        for role, runs, value in (("as_paper", self.as_paper, self.ours), ("honest", self.honest, self.ours_honest)):
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
    tables = [path for path in paths if path.suffix == ".csv"]
    measured = measure_runs([Run.open(path) for path in paths if path not in tables])
    for table in tables:
        if not is_results_table(table):
            raise UserError(f"{table} is no table of evaluate.py --csv or collect.py: name one, or a run's folder")
        measured += read_measurements(table)
    return compare(measured, printed_claims(results, tuple(papers)))


def compare_results(results: Path = RESULTS, papers: Sequence[str] = ()) -> list[ComparedFigure]:
    """Compare the tables of measured results in a folder with what the papers print; see ``compare_runs``."""
    return compare(measure_results(results), printed_claims(results, tuple(papers)))


def compare(measured: Sequence[Measured], claims: Sequence[Claim]) -> list[ComparedFigure]:
    """Return every figure of the claims beside its measurements; see ``compare_runs``."""
    compared = []
    for claim in claims:
        for as_paper, honest in _pairs(measured, claim):
            of_runs = _reasons_of_runs(as_paper, honest, claim.data)
            for figure in claim.figures:
                compared.append(_compare_figure(claim, figure, as_paper, honest, of_runs))
    return compared


def to_frame(compared: Sequence[ComparedFigure]) -> pd.DataFrame:
    """Return compared figures as a table, see ``ComparedFigure.cells``."""
    return pd.DataFrame([figure.cells() for figure in compared])


def _compare_figure(
    claim: Claim, figure: Figure, as_paper: Measured | None, honest: Measured | None, of_runs: list[str]
) -> ComparedFigure:
    reasons = list(of_runs)
    if not figure.printed:
        reasons.insert(0, "no figure is printed")
    ours = _value(as_paper, figure)
    if as_paper and as_paper.data == claim.data.dataset and figure.metric not in OF_EPOCH:
        images = round(as_paper.images.get(figure.part, claim.data.size(figure.part)))
        if not claim.data.allows(figure.part, images):
            reasons.insert(0, _too_few(images, f"{claim.data.size(figure.part):,} {figure.part} images", claim.data))
    if not reasons:
        if ours is None or ours.value is None:
            reasons.append(f"{figure.part} {figure.metric} not recorded")
        elif ours.low is None or ours.high is None:
            reasons.append("a mean over an epoch, without interval" if figure.metric in OF_EPOCH else "no interval")
    verdict = NOT_COMPARABLE
    if not reasons and ours:
        verdict = _verdict(ours, figure)
    return ComparedFigure(claim, figure, as_paper, honest, verdict, tuple(reasons))


def _verdict(ours: Estimate, figure: Figure) -> str:
    low, high = figure.bounds
    assert ours.low is not None
    assert ours.high is not None
    if ours.high < low:
        return LOWER
    if ours.low > high:
        return HIGHER
    return REPRODUCED


def _value(measured: Measured | None, figure: Figure) -> Estimate | None:
    return measured.values.get((figure.part, figure.metric)) if measured else None


def _pairs(measured: Sequence[Measured], claim: Claim) -> list[Pair]:
    """Return the measurements of a claim, split as the paper and honestly, data set by data set."""
    names = {claim.experiment}
    if claim.members:
        orders = permutations(claim.members)
        names |= {ensemble_name(claim.method, len(order), list(order)) for order in orders}
    by_data: dict[str, tuple[list[Measured], list[Measured]]] = {}
    for each in measured:
        if each.experiment in names and (not claim.members or each.data == claim.data.dataset):
            as_paper, honest = by_data.setdefault(each.data, ([], []))
            if each.protocol == "paper":
                as_paper.append(each)
            elif _is_honest(each):
                honest.append(each)
    pairs: list[Pair] = [pair for lists in by_data.values() for pair in zip_longest(*lists)]
    return pairs or [(None, None)]


def _is_honest(measured: Measured) -> bool:
    """Tell whether no subject is in two parts, as far as is known."""
    if measured.protocol == "image":
        official = OFFICIAL.get(measured.data)
        return measured.subjects is None or official == measured.images.get("test")
    return measured.protocol == "subject"


def _reasons_of_runs(as_paper: Measured | None, honest: Measured | None, data: PaperData) -> list[str]:
    """Return why no figure of these runs can be compared; [] where they are of the paper's data, split and budget."""
    ours = as_paper or honest
    if ours is None:
        return [NOT_MEASURED]
    reasons = []
    if ours.data != data.dataset:
        reasons.append(f"another data set ({ours.data})")
    elif as_paper is None:
        images = ours.total("test")
        if images < data.total and images != OFFICIAL.get(ours.data):
            reasons.append(_too_few(images, f"{data.total:,} images", data))
    if as_paper is None:
        reasons.append("not split as the paper did")
    if ours.images_seen is not None and ours.images_seen < data.train:
        reasons.append(f"{ours.images_seen:,.0f} images seen, one epoch of the paper's is {data.train:,}")
    return reasons + list(ours.departures)


def _too_few(images: int, whole: str, data: PaperData) -> str:
    return f"{images:,} of {whole}" + ("" if data.public else ", which are not public")
