"""The tables of claims: what papers claim, what was measured here, and what does not follow from what they print."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from evaluation.core.markdown import interval, markdown
from evaluation.papers.audit import audit
from evaluation.papers.confusion import contradictions, read_confusion, read_figures
from evaluation.papers.reproduction import AS_PAPER, HONEST, OFFICIAL, compare, read_claims

FOLLOWS = "follows"
FAILS = "does not follow"
DIFFERS = "differs"
METRIC_WORDS = {
    "test_weighted_f1": "weighted F1",
    "test_accuracy": "accuracy",
    "val_accuracy": "accuracy on validation",
}


def compared(table: pd.DataFrame) -> pd.DataFrame:
    """Return what ``claims_table.compare`` found as it is read: text, a row per claim and measurement."""
    lines = []
    for row in table.to_dict("records"):
        figures = [_measured(row, role) for role in (AS_PAPER, HONEST)]
        budget = [_budget(row, role) for role in (AS_PAPER, HONEST)]
        lines.append(
            {
                "experiment": row["experiment"],
                "section": row["section"],
                "claimed": f"{row['claimed'] or 'no'} {METRIC_WORDS[row['metric']]}",
                "measured on": "" if pd.isna(row["measured_on"]) else row["measured_on"],
                "split as the paper": figures[0],
                "honest split": figures[1],
                "budget of a run": " / ".join(dict.fromkeys(filter(None, budget))),
                "verdict": f"{row['verdict']}: {row['reason']}" if row["reason"] else row["verdict"],
            }
        )
    return pd.DataFrame(lines)


def audited(table: pd.DataFrame, failed: bool = False) -> pd.DataFrame:
    """Return what ``claims_audit.audit`` found as it is read; ``failed``: only what does not follow."""
    if failed:
        table = table[~table["follows"]]
    else:
        table = table
    fails = table["kind"].map({"twice": DIFFERS}).fillna(FAILS)
    said = fails.mask(table["follows"], FOLLOWS)
    said = said.where(table["remark"] == "", said + "; " + table["remark"])
    return table.drop(columns=["follows", "remark"]).assign(verdict=said).reset_index(drop=True)


def claims(*papers: str) -> Callable[[Path], str]:
    """Return the table of the claims of some papers, against what was measured here."""

    def table(results: Path) -> str:
        found = compared(compare(results, papers))
        # A claim that was measured twice is named once.
        again = found.duplicated(["experiment", "section"])
        found["experiment"] = "`" + found["experiment"] + "`"
        found.loc[again, ["experiment", "section", "claimed"]] = ""
        return markdown(found)

    return table


def claims_001(results: Path) -> str:
    """Paper 001, table 5.1: what it claims of the test images, and what does not follow from its confusion matrices."""
    sizes = pd.read_csv(Path(results) / "claims" / "data.csv").set_index(["dataset", "split"])["test"]
    lines = []
    for claim in read_claims(results, ("001",)).itertuples():
        figures = {"accuracy": claim.claimed, **read_figures(claim.note)}
        confusion = read_confusion(claim.note)
        images = int(sizes[claim.dataset, claim.split])
        if confusion:
            wrong = contradictions(figures, confusion, images)
        else:
            wrong = ["no matrix is printed"]
        if confusion is None:
            counts = []
        else:
            counts = [f"{count} {name.upper()}" for name, count in confusion._asdict().items()]
        shown = [figures.get(name, "-") for name in ("accuracy", "precision", "recall", "AUC")]
        said = "; ".join(wrong) or "agrees"
        lines.append([f"`{claim.experiment}`", claim.split, *shown, ", ".join(counts) or "-", said])
    heads = [
        "experiment",
        "split",
        "accuracy",
        "precision",
        "recall",
        "AUC",
        "confusion matrix",
        "what the matrix says",
    ]
    return markdown(pd.DataFrame(lines, columns=heads))


def claims_audit(results: Path) -> str:
    """Every printed figure that does not follow from the others."""
    return markdown(audited(audit(results), failed=True).drop(columns="kind"))


def claims_tally(results: Path) -> str:
    """How many printed figures were recomputed, and how many of them do not follow."""
    groups = audit(results).groupby(["paper", "kind"], sort=False)["follows"]
    counts = groups.agg(["size", lambda follows: int((~follows).sum())]).reset_index().astype(str)
    return markdown(counts.set_axis(["paper", "kind of check", "figures", "do not follow, or differ"], axis=1))


def _measured(row: dict, role: str) -> str:
    """The value with its interval, and of how many images; of a split by images which they are."""
    if pd.isna(row[f"{role}_value"]):
        return ""
    value = interval(*(row[f"{role}_{name}"] for name in ("value", "low", "high")))
    if row["measured_on"] in OFFICIAL:
        by_image = "official test images"
    else:
        by_image = "images of unknown subjects"
    return f"{value}, {int(row[f'{role}_images']):,} {by_image if row[f'{role}_protocol'] == 'image' else 'images'}"


def _budget(row: dict, role: str) -> str:
    """Folds and seeds, and what a run costs."""
    if pd.isna(row[f"{role}_value"]):
        return ""
    counts = {name: max(len(str(row[f"{role}_{name}s"]).split()), 1) for name in ("fold", "seed")}
    runs = [f"{count} {name}{'s' if count > 1 else ''}" for name, count in counts.items()]
    seen = row[f"{role}_images_seen"]
    minutes = row[f"{role}_minutes"]
    if pd.isna(seen):
        cost = ["cost not recorded"]
    else:
        cost = [f"{seen:,.0f} images seen", f"{minutes:.1f} min"]
    return ", ".join([*runs, *cost])
