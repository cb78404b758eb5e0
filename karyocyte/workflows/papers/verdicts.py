"""The printed figures of the papers beside ours, split as the paper did and honestly, with a verdict on each."""

import textwrap
from collections.abc import Mapping, Sequence
from itertools import permutations
from math import inf, sqrt
from pathlib import Path
from typing import Any

import pandas as pd

from karyocyte.common.cli import console, say
from karyocyte.common.errors import UserError
from karyocyte.common.files import write_csv
from karyocyte.common.paths import ROOT
from karyocyte.common.runs.run import Run
from karyocyte.common.text import counted
from karyocyte.evaluation.averaging import ensemble_name
from karyocyte.evaluation.renderers import WIDTH, terminal
from karyocyte.evaluation.result import Estimate
from karyocyte.workflows.papers.claims import Claim, PaperData, PrintedFigure, printed_claims
from karyocyte.workflows.papers.figure_tables import NOT_MEASURED, figure_tables, summary
from karyocyte.workflows.papers.measured import (
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
NO_RUN = "not measured here"
RESULTS = ROOT / "results"
COSTS = ("folds", "seeds", "images_seen", "minutes", "revision")
# Ours: half the width beyond which an interval that holds the printed figure shows little. The t interval of two seeds
# is such a one, with a single degree of freedom. A small part may have the width of a share of its images.
WIDEST = 0.1


# Measurements of a claim with the same departures: "as_paper", split as the paper did, and "honest", with no subject in
# two parts as far as is known; either may be lacking. Or "neither", one alone.
RunPair = Mapping[str, Measured]


def compared_figures(paths: Sequence[Path], papers: Sequence[str] = (), results: Path = RESULTS) -> pd.DataFrame:
    """Compare finished runs with what the papers print of their experiments.

    Runs of one experiment, protocol and configuration count together: the mean over folds and seeds.

    Args:
        paths: Folders of runs and ensembles; also tables that evaluate.py --csv wrote. Empty: the tables of results.
        papers: Such as ("004",); empty: all.
        results: The folder with ``claims.csv`` and ``claims/``.

    Returns:
        A row per printed figure of these papers, several where several groups of runs measured it. Ours begins with
        ``as_paper`` and ``honest``; ``measured_on`` is the data set, None where there is no run. The ``verdict`` is
        "reproduced" where our 95 % interval, split as the paper did on the paper's data, holds the printed value,
        "higher" or "lower" where ours lies above or below it, else "not comparable" or, where there is no figure of
        ours, "not measured", by ``reason``.
    """
    measured = []
    runs_named = []
    for path in paths:
        if path.suffix != ".csv":
            runs_named.append(Run.open(path))
        elif is_results_table(path):
            measured += read_measurements(path)
        else:
            raise UserError(f"{path} is no table of evaluate.py --csv: name one, or a run's folder")
    measured += measure_runs(runs_named)
    if not paths:
        measured = measure_results(results)
    rows = []
    for claim in printed_claims(results, tuple(papers)):
        for runs in _pairs(measured, claim):
            of_runs = _reasons_of_runs(runs, claim.data)
            for figure in claim.figures:
                verdict, reasons = _compare(figure, runs, of_runs)
                cells = _cells(claim, figure, runs)
                rows.append({**cells, "verdict": verdict, "reason": "; ".join(reasons), "deviation": claim.deviation})
    return pd.DataFrame(rows)


def _cells(claim: Claim, figure: PrintedFigure, runs: RunPair) -> dict[str, Any]:
    cells: dict[str, Any] = {"paper": claim.paper, "experiment": claim.experiment, "section": figure.section}
    cells |= {"dataset": claim.data.dataset, "part": figure.part, "metric": figure.metric}
    cells |= {"printed": figure.printed, "headline": figure.headline, "measured_on": getattr(_any(runs), "data", None)}
    for role in ("as_paper", "honest"):
        measured = runs.get(role)
        cells |= (_value(measured, figure) or Estimate(None, None, None)).columns(role)
        cells[f"{role}_images"] = measured and measured.images.get(figure.part)
        for name in COSTS:
            cells[f"{role}_{name}"] = getattr(measured, name, None)
    return cells


def _any(runs: RunPair) -> Measured | None:
    return runs.get("as_paper") or next(iter(runs.values()), None)


def _value(measured: Measured | None, figure: PrintedFigure) -> Estimate | None:
    if measured is None:
        return None
    return measured.values.get((figure.part, figure.metric))


def _compare(figure: PrintedFigure, runs: RunPair, of_runs: list[str]) -> tuple[str, list[str]]:
    """Return the verdict on a figure, and why it is not comparable or not measured."""
    reasons = list(of_runs)
    if not figure.printed:
        reasons.insert(0, "no figure is printed")
    as_paper = runs.get("as_paper")
    ours = _value(as_paper, figure)
    reasons = reasons or _reasons_of_value(ours, figure)
    if all(_value(measured, figure) is None for measured in runs.values()):
        return NOT_MEASURED, reasons
    if reasons or ours is None or as_paper is None:
        return NOT_COMPARABLE, reasons
    low, high = figure.bounds
    assert ours.low is not None
    assert ours.high is not None
    if ours.high < low:
        return LOWER, []
    if ours.low > high:
        return HIGHER, []
    # Of a share of so many images a 95 % interval may be as wide; one within what is printed ("most") is clear.
    is_wide = ours.high - ours.low > 2 * max(WIDEST, 1 / sqrt(as_paper.images.get(figure.part, inf)))
    if is_wide and not low <= ours.low <= ours.high <= high:
        return NOT_COMPARABLE, [f"interval too wide ({ours.low:.2f} to {ours.high:.2f})"]
    return REPRODUCED, []


def _reasons_of_value(ours: Estimate | None, figure: PrintedFigure) -> list[str]:
    """Return why a value cannot be compared; [] where it can."""
    name, _, of = figure.metric.partition("/")
    if ours is None:
        return [f"{figure.part} {figure.metric} not recorded"]
    if ours.value is None and name == "precision":
        return [f"undefined: nothing was predicted as {of}"]
    if ours.value is None:
        return [f"undefined: {figure.metric}"]
    if ours.low is None and figure.metric in OF_EPOCH:
        return ["a mean over an epoch of one seed has no interval: --seeds 0,1,2"]
    return ["no interval"] * (ours.low is None)


def _pairs(measured: Sequence[Measured], claim: Claim) -> list[RunPair]:
    """Return the measurements of a claim; two together where no other is of their data set and departures."""
    names = {claim.experiment}
    if claim.members:
        # An ensemble is named by its members in the order that was typed.
        for order in permutations(claim.members):
            names.add(ensemble_name(claim.method, len(order), list(order)))
    groups: dict[tuple[str, ...], list[Measured]] = {}
    for each in measured:
        if each.experiment in names and (not claim.members or each.data == claim.data.dataset):
            groups.setdefault((each.data, *each.departures), []).append(each)
    pairs: list[RunPair] = []
    for group in groups.values():
        splits = list(map(_split, group))
        if sorted(splits) == ["as_paper", "honest"]:
            pairs.append(dict(zip(splits, group, strict=True)))
        else:
            for split, each in zip(splits, group, strict=True):
                pairs.append({split: each})
    return pairs or [{}]


def _split(measured: Measured) -> str:
    """Return the key of a measurement in a ``RunPair``."""
    if measured.protocol == "paper":
        return "as_paper"
    is_official = OFFICIAL.get(measured.data) == measured.images.get("test")
    # No subject is in two parts, as far as is known.
    if measured.protocol == "subject" or (measured.protocol == "image" and (measured.subjects is None or is_official)):
        return "honest"
    return "neither"


def _reasons_of_runs(runs: RunPair, data: PaperData) -> list[str]:
    """Return why no figure of these runs can be compared; [] where they are of the paper's data, split and budget."""
    ours = _any(runs)
    if ours is None:
        return [NO_RUN]
    reasons = []
    if ours.data != data.dataset:
        reasons.append(f"another data set ({ours.data})")
    elif "as_paper" in runs:
        reasons += _reasons_of_sizes(ours, data)
    elif ours.total("test") < data.total and ours.total("test") != OFFICIAL.get(ours.data):
        reasons.append(_other_number(ours.total("test"), data.total, "images", data))
    if "neither" in runs:
        reasons.append(f"neither the paper's split nor honest (protocol={ours.protocol}, known subjects)")
    elif "as_paper" not in runs:
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
    words = f"{images:,} {what} instead of {expected:,}"
    if images < expected:
        words = f"{images:,} of {expected:,} {what}"
    return words if data.public else f"{words}, which are not public"


def show_comparison(
    paths: Sequence[Path], papers: tuple[str, ...] = (), csv: Path | None = None, results: Path = RESULTS
) -> None:
    """Print figures beside those of runs (none named: of the tables of results), and write them as a table.

    Of papers that are named these are all figures, else with runs only those of their experiments. A ``UserError`` says
    that none of the runs is of an experiment of the papers.
    """
    table = compared_figures(paths, papers, results)
    of_runs = table["measured_on"].notna()
    if paths and not of_runs.any():
        wanted = f"paper {' or '.join(papers)}" if papers else "a paper"
        raise UserError(f"none of these runs is an experiment of {wanted}: claims.csv in {results} names them")
    if paths and not papers:
        table, of_runs = table[of_runs], of_runs[of_runs]
    for drawn in figure_tables(table[of_runs]):
        console.print(terminal(drawn), drawn.reading, "", sep="\n")
    missing = table.loc[~of_runs, "experiment"].unique()
    if len(missing) and paths:  # with runs, what has none was not asked for
        say(f"{counted(len(missing), 'experiment')} of the paper without a run here")
    elif len(missing):
        say("not measured here", *textwrap.wrap(", ".join(missing), WIDTH))
    say(summary(table))
    if csv:
        write_csv(csv, table, "%.6g")
        say(f"written to {csv}")
