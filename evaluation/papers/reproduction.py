"""The claims of the papers beside our figures, split as the paper did and honestly, with a verdict."""

from itertools import permutations, zip_longest
from pathlib import Path
from typing import Any

import pandas as pd

from common.errors import UserError
from evaluation.ensembles.averaging import ensemble_name
from evaluation.results_csv import COLUMNS

# Our names of the claims' metrics; a validation figure is compared with one of test images.
METRICS = {"test_weighted_f1": "f1_weighted", "test_accuracy": "accuracy", "val_accuracy": "accuracy"}
OFFICIAL = {"mnist": 10_000, "cifar10": 10_000}  # images of the official test set
REACHED = "reached"
NOT_REACHED = "not reached"
NOT_COMPARABLE = "not comparable"
COPIED = ("label", "protocol", "value", "low", "high", "images", "folds", "seeds", "images_seen", "minutes", "revision")
FACTS = ("paper", "experiment", "section", "dataset", "split", "metric", "claimed")
AS_PAPER = "as_paper"
HONEST = "honest"
Record = dict[str, Any]  # a row of a table, by column
# Columns of the tables in results/ that ``evaluate.py --csv`` wrote, and those of text.
NEEDED = {"label", "experiment", "source", "protocol", "folds", "seeds", "images", "subjects", "metric", "value", "low"}
TEXT = ("label", "experiment", "source", "tested_on", "synthetic", "folds", "seeds")


def read_claims(results: Path, papers: tuple[str, ...] = ()) -> pd.DataFrame:
    """Read ``claims.csv``, of some papers or of all, as text; what is not printed is "".

    Raises:
        UserError: The file is missing, or none of its rows is of a paper that is named.
    """
    path = Path(results) / "claims.csv"
    if not path.is_file():
        raise UserError(f"no claims at {path}: name the folder of measured results")
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    unknown = sorted(set(papers) - set(table["paper"]))
    if unknown:
        known = ", ".join(sorted(table["paper"].unique()))
        raise UserError(f"no claims of paper {unknown[0]}: choose from {known}")
    if papers:
        return table[table["paper"].isin(papers)]
    return table


def compare(results: Path, papers: tuple[str, ...] = ()) -> pd.DataFrame:
    """Compare each claim with what was measured here.

    A figure counts as measured on an honest split where no subject is on two sides (protocol subject), on the official
    test set, or on images whose subjects nobody knows; as the paper split where the protocol is "paper". Image-level
    figures of known subjects are neither.

    Args:
        results: The folder of measured results, with ``claims.csv`` and ``claims/``.
        papers: Such as ("004",); empty: all.

    Returns:
        A row per claim and measurement of it: the FACTS, ``measured_on``, COPIED of ours as ``as_paper_...`` and as
        ``honest_...`` (None where there is none), ``verdict``, ``reasons``, and as text ``reason``. "reached": the 95 %
        interval of ours, split as the paper did on the paper's data, holds the figure or lies above it.

    Raises:
        UserError: A table is missing or names what is not there.
    """
    measured = _read_all_measured(results)
    data = pd.read_csv(Path(results) / "claims" / "data.csv", dtype={"paper": str})
    sizes = {(row["dataset"], row["split"]): row for row in data.to_dict("records")}
    table = pd.read_csv(Path(results) / "claims" / "departures.csv", dtype=str)
    departures = dict(zip(table["label"], table["departure"], strict=True))
    for label in departures:
        if label not in set(measured["label"]):
            raise UserError(f"{results}/claims/departures.csv names {label!r}, which is measured nowhere: remove it")
    lines = []
    for claim in read_claims(results, papers).to_dict("records"):
        for as_paper, honest in _pairs(measured, claim):
            reasons = _reasons(claim, as_paper, honest, sizes[claim["dataset"], claim["split"]], departures)
            lines.append(_line(claim, as_paper, honest, reasons))
    return pd.DataFrame(lines)


def _pairs(measured: pd.DataFrame, claim: Record) -> list[tuple[Record | None, Record | None]]:
    """Return the measurements of a claim, split as the paper and honestly, data set by data set."""
    names = {claim["experiment"]}
    own = measured
    if claim["members"]:
        members = claim["members"].split()
        names |= {ensemble_name(claim["method"], len(order), list(order)) for order in permutations(members)}
        own = measured[measured["data"] == claim["dataset"]]
    own = own[(own["metric"] == METRICS[claim["metric"]]) & own["experiment"].isin(names)]
    pairs: list[tuple[Record | None, Record | None]] = []
    for _, group in own.groupby("data", sort=False):
        roles: dict[str | None, list[Record]] = {AS_PAPER: [], HONEST: [], None: []}
        for row in group.to_dict("records"):
            roles[_role(row)].append(row)
        pairs += zip_longest(roles[AS_PAPER], roles[HONEST])
    return pairs or [(None, None)]


def _role(row: Record) -> str | None:
    if row["protocol"] == "paper":
        return AS_PAPER
    official = OFFICIAL.get(row["data"]) == row["images"]
    if row["protocol"] == "subject" or (row["protocol"] == "image" and (official or pd.isna(row["subjects"]))):
        return HONEST
    return None


def _line(claim: Record, as_paper: Record | None, honest: Record | None, reasons: list[str]) -> Record:
    ours = as_paper or honest
    line = {name: claim[name] for name in FACTS} | {"measured_on": ours and ours["data"]}
    for role, row in ((AS_PAPER, as_paper), (HONEST, honest)):
        line |= {f"{role}_{name}": row and row[name] for name in COPIED}
    verdict = NOT_COMPARABLE
    if as_paper and not reasons:
        verdict = REACHED if as_paper["high"] >= float(claim["claimed"]) else NOT_REACHED
    return line | {"verdict": verdict, "reason": "; ".join(reasons), "reasons": reasons}


def _reasons(
    claim: Record, as_paper: Record | None, honest: Record | None, data: Record, departures: dict[str, str]
) -> list[str]:
    """Return why a claim can be neither reached nor missed by ours; [] where it can."""
    ours = as_paper or honest
    reasons = []
    if not claim["claimed"]:
        reasons.append("no figure is printed")
    if claim["metric"] == "val_accuracy":
        reasons.append("a validation figure, ours are of test images")
    if ours is None:
        return [*reasons, "not measured here"]
    reasons += _other_images(claim, ours, data, split_as_paper=as_paper is not None)
    if as_paper is None:
        reasons.append("not measured as the paper split")
    if ours["images_seen"] < data["train"]:  # never where it is not recorded
        reasons.append(f"{ours['images_seen']:,.0f} images seen, one epoch of the paper's is {data['train']:,}")
    if as_paper and pd.isna(as_paper["high"]):
        reasons.append("no interval")
    if ours["label"] in departures:
        reasons.append(departures[ours["label"]])
    return reasons


def _other_images(claim: Record, ours: Record, data: Record, split_as_paper: bool) -> list[str]:
    """Return how the images differ: another set, a private one, or fewer of them (by more than one in a hundred)."""
    if ours["data"] != claim["dataset"]:
        return [f"another data set ({ours['data']})"]
    if data["public"] != "yes":
        return ["the paper's images are not public"]
    if split_as_paper:
        same = abs(ours["images"] - data["test"]) <= data["test"] / 100
        whole = f"of {data['test']:,} test images"
    else:
        same = OFFICIAL.get(ours["data"]) == ours["images"]
        whole = f"of {data['total']:,} images"
    if same or ours["images"] >= data["total"]:
        return []
    return [f"{ours['images']:,} {whole}"]


def read_measured(path: Path) -> pd.DataFrame:
    """Read a table of results, without single folds whose label also has a row of several folds pooled.

    New columns: ``runs``, the number of folds (at least 1); ``images_seen`` and ``minutes`` per run; ``compared``,
    whether the label names a comparison of two groups.
    """
    rows = pd.read_csv(path, dtype=dict.fromkeys(TEXT, str)).reindex(columns=list(COLUMNS))
    rows = rows.fillna(dict.fromkeys(TEXT, ""))
    rows["runs"] = rows["folds"].str.split().str.len().clip(lower=1)
    rows = rows[rows["runs"] == rows.groupby("label")["runs"].transform("max")]
    compared = rows.loc[rows["metric"].str.startswith("difference/"), "label"]
    return rows.assign(
        compared=rows["label"].isin(compared),
        images_seen=rows["images_seen"] / rows["runs"],
        minutes=rows["wall_seconds"] / rows["runs"] / 60,
    )


def _read_all_measured(results: Path) -> pd.DataFrame:
    """Return the measurements on real images of the run's own data set, without comparisons of two groups.

    The column ``data`` is the data set, or the table's name where the source is a mere folder or table of images.
    """
    tables = []
    for path in sorted(Path(results).glob("*.csv")):
        if NEEDED.issubset(pd.read_csv(path, nrows=0).columns):
            rows = read_measured(path)
            external = rows.loc[rows["tested_on"] != "", "label"]
            rows = rows[~rows["compared"] & ~rows["label"].isin(external)]
            data = rows["source"].where(~rows["source"].isin(["folder", "table"]), path.stem)
            tables.append(rows.assign(data=data))
    if not tables:
        raise UserError(f"no measured results in {results}: python scripts/evaluate.py RUN... --csv writes them")
    table = pd.concat(tables, ignore_index=True)
    return table[table["synthetic"] == ""]
