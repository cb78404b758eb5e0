"""The table of claims: a paper's figure, ours as the paper split and ours on an honest split, and what may be said."""

from itertools import zip_longest
from pathlib import Path

import pandas as pd

from common.errors import UserError

# Of what a claim's metric is called, the name in our tables; a validation figure is held against test images.
METRICS = {"test_weighted_f1": "f1_weighted", "test_accuracy": "accuracy", "val_accuracy": "accuracy"}
OFFICIAL = {"mnist": 10_000, "cifar10": 10_000}  # images of the official test set
REACHED = "reached"
NOT_REACHED = "not reached"
NOT_COMPARABLE = "not comparable"
FOLD_LABEL = r", fold \d+$"  # rows of single folds, beside those of all folds pooled
OUTSIDE = " on "  # of a source: "cnmc on all_idb2 ..."
NEEDED = ("label", "experiment", "source", "protocol", "folds", "seeds", "images", "subjects", "metric", "value", "low")
COPIED = ("label", "protocol", "value", "low", "high", "images", "folds", "seeds", "images_seen", "minutes", "revision")
FACTS = ("paper", "experiment", "section", "dataset", "split", "metric", "claimed")
AS_PAPER = "as_paper"
HONEST = "honest"


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


def measurements(results: Path) -> pd.DataFrame:
    """Gather what was measured here, from every table of ``results`` that ``evaluate.py --csv`` wrote.

    Rows of drawn images, of single folds that stand beside their pool, of paired differences, and of runs that are
    judged outside and inside their own data set are left out.

    Returns:
        The tables' columns, ``minutes`` per run, ``images_seen`` per run, and ``data``: the data set, or the table's
        name where the source is only a folder of images.
    """
    tables = []
    for path in sorted(Path(results).glob("*.csv")):
        table = pd.read_csv(path, dtype=dict.fromkeys(("label", "experiment", "source", "folds", "seeds"), str))
        if set(NEEDED) <= set(table.columns):
            outside = table["source"].fillna("").str.contains(OUTSIDE)
            compared = table.loc[table["metric"].str.startswith("difference/") | outside, "label"]
            table = table[~table["label"].isin(compared) & ~table["label"].fillna("").str.contains(FOLD_LABEL)]
            source = table["source"].fillna("")
            tables.append(table.assign(data=source.where(~source.isin(["folder", "table"]), path.stem)))
    if not tables:
        raise UserError(f"no measured results in {results}: python scripts/evaluate.py RUN... --csv writes them")
    found = pd.concat(tables, ignore_index=True)
    found = found[~found["data"].str.contains("synthetic")]
    runs = found["folds"].fillna("").str.split().str.len().clip(lower=1)
    return found.assign(images_seen=found["images_seen"] / runs, minutes=found["wall_seconds"] / runs / 60)


def compare(results: Path, papers: tuple[str, ...] = ()) -> pd.DataFrame:
    """Hold each claim against what was measured here.

    A figure counts as measured on an honest split where no subject is on two sides (protocol subject), on the official
    test set, or on images whose subjects nobody knows; as the paper split where the protocol is "paper". Image-level
    figures of known subjects are neither.

    Args:
        results: The folder of measured results, with ``claims.csv`` and ``claims/``.
        papers: Such as ("004",); empty: all.

    Returns:
        A row per claim and data set that it was measured on, more where there are several measurements: the FACTS,
        ``measured_on``, COPIED of ours as ``as_paper_...`` and as ``honest_...`` (None where there is none),
        ``verdict`` and ``reason``. "reached": the 95 % interval of ours, split as the paper did on the paper's data,
        holds the figure or lies above it.

    Raises:
        UserError: A table is missing or names what is not there.
    """
    measured = measurements(results)
    data = _data(results)
    departures = _departures(results)
    lost = [label for label in departures if label not in set(measured["label"])]
    if lost:
        raise UserError(f"{results}/claims/departures.csv names {lost[0]!r}, which is measured nowhere: remove the row")
    lines = []
    for claim in read_claims(results, papers).to_dict("records"):
        rows = measured[(measured["metric"] == METRICS[claim["metric"]]) & _is_of(measured, claim)]
        groups = [group for _, group in rows.groupby("data", sort=False)] or [rows]
        for group in groups:
            records = group.to_dict("records")
            roles = {role: [row for row in records if _role(row) == role] for role in (AS_PAPER, HONEST)}
            for pair in zip_longest(roles[AS_PAPER], roles[HONEST]) if any(roles.values()) else [(None, None)]:
                lines.append(_line(claim, pair, data[claim["dataset"], claim["split"]], departures))
    return pd.DataFrame(lines)


def _data(results: Path) -> dict[tuple[str, str], dict]:
    table = pd.read_csv(Path(results) / "claims" / "data.csv", dtype={"paper": str})
    return {(row["dataset"], row["split"]): row for row in table.to_dict("records")}


def _departures(results: Path) -> dict[str, str]:
    table = pd.read_csv(Path(results) / "claims" / "departures.csv", dtype=str)
    return dict(zip(table["label"], table["departure"], strict=True))


def _is_of(measured: pd.DataFrame, claim: dict) -> pd.Series:
    """Which measurements are of a claim's experiment; an ensemble is one of its method on the claim's data set."""
    name = claim["experiment"]
    if not name.startswith("ensemble_"):
        return measured["experiment"] == name
    method = name.removeprefix("ensemble_")
    if method == "average":
        begins = "ensemble of "
    else:
        begins = f"{method} ensemble of "
    ours = measured["experiment"].str.startswith(begins) | (measured["experiment"] == name)
    return ours & (measured["data"] == claim["dataset"])


def _role(row: dict) -> str | None:
    if row["protocol"] == "paper":
        return AS_PAPER
    official = row["protocol"] == "image" and OFFICIAL.get(row["data"]) == row["images"]
    unknown = row["protocol"] == "image" and pd.isna(row["subjects"])
    if row["protocol"] == "subject" or official or unknown:
        return HONEST
    return None


def _line(claim: dict, pair: tuple[dict | None, dict | None], data: dict, departures: dict[str, str]) -> dict:
    ours = pair[0] or pair[1]
    reasons = _reasons(claim, pair, data, departures)
    line = {name: claim[name] for name in FACTS} | {"measured_on": ours and ours["data"]}
    for role, row in zip((AS_PAPER, HONEST), pair, strict=True):
        line |= {f"{role}_{name}": row and row[name] for name in COPIED}
    return line | {"verdict": _verdict(claim, pair[0]) if not reasons else NOT_COMPARABLE, "reason": "; ".join(reasons)}


def _verdict(claim: dict, ours: dict) -> str:
    if ours["high"] >= float(claim["claimed"]):
        return REACHED
    return NOT_REACHED


def _reasons(claim: dict, pair: tuple[dict | None, dict | None], data: dict, departures: dict[str, str]) -> list[str]:
    """Say why a claim can be neither reached nor missed by ours; [] where it can."""
    ours = pair[0] or pair[1]
    if claim["claimed"]:
        found = []
    else:
        found = ["no figure is printed"]
    if claim["metric"].startswith("val_"):
        found.append("a validation figure, ours are of test images")
    if ours is None:
        return [*found, "not measured here"]
    found += _of_data(claim, pair, data) + ([] if pair[0] else ["not measured as the paper split"])
    if ours["images_seen"] < data["train"]:  # never where it is not recorded
        found.append(f"{ours['images_seen']:,.0f} images seen, one epoch of the paper's is {data['train']:,}")
    if claim["experiment"].startswith("ensemble_") and _members(claim["note"]) != _members(ours["experiment"]):
        found.append("other members")
    if pair[0] and pd.isna(pair[0]["high"]):
        found.append("no interval")
    if ours["label"] in departures:
        found.append(departures[ours["label"]])
    return found


def _of_data(claim: dict, pair: tuple[dict | None, dict | None], data: dict) -> list[str]:
    """Say how the images differ: another set, a private one, or fewer of them (by more than one in a hundred)."""
    ours = pair[0] or pair[1]
    if ours["data"] != claim["dataset"]:
        return [f"another data set ({ours['data']})"]
    if data["public"] != "yes":
        return ["the paper's images are not public"]
    if pair[0]:
        same = abs(ours["images"] - data["test"]) <= data["test"] / 100
        text = f"of {data['test']:,} test images"
    else:
        same = OFFICIAL.get(ours["data"]) == ours["images"]
        text = f"of {data['total']:,} images"
    if same or ours["images"] >= data["total"]:
        return []
    return [f"{ours['images']:,} {text}"]


def _members(text: str) -> frozenset[str]:
    """The members that a note lists after "members", or an ensemble's name after its colon."""
    if "members " in text:
        listed = text.partition("members ")[2].partition(";")[0]
    else:
        listed = text.partition(": ")[2]
    return frozenset(listed.replace(",", " ").split())
