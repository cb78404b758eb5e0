"""The tables of README.md on karyograms, each a function of the folder of measured results."""

from pathlib import Path

import pandas as pd

from evaluation.core.markdown import interval, markdown

METRICS = {
    "accuracy": "accuracy",
    "precision/abnormal": "precision",
    "recall/abnormal": "recall",
    "auc": "AUC",
}
PROTOCOLS = ("subject", "image", "paper")
_COSTS = {
    "case": "network",
    "plain_ms": "one pass, ms",
    "ours_ms": "100 passes, ms",
    "ratio": "100 passes / one",
    "over_features": "faster than repeated features",
    "over_repeat": "than a repeated batch",
    "over_naive": "than 100 whole passes",
}


def karyograms(results: Path) -> str:
    """Every network on karyograms: accuracy, precision, recall and AUC with intervals, by protocol, and the budget."""
    rows = _rows(results)
    lines = []
    for (label, protocol), group in rows.groupby(["label", "protocol"], sort=False):
        found = group.set_index("metric")
        runs = max(len(str(group["folds"].iloc[0]).split()), 1)
        shown = [_shown(found, metric) for metric in METRICS]
        budget = [f"{group['images_seen'].iloc[0] / runs:,.0f}", f"{group['wall_seconds'].iloc[0] / runs / 60:.0f}"]
        lines.append([label, protocol, f"{group['images'].iloc[0]}", *shown, *budget])
    heads = ["network", "protocol", "test images", *METRICS.values(), "images seen per run", "minutes per run"]
    return markdown(pd.DataFrame(lines, columns=heads))


def protocol_gap(results: Path) -> str:
    """The AUC of each network by protocol, and by how much the paper's protocol lifts it over the honest one."""
    rows = _rows(results).query("metric == 'auc'")
    wide = rows.pivot(index="label", columns="protocol", values="value").reindex(columns=list(PROTOCOLS))
    wide = wide.loc[[label for label in rows["label"].unique() if wide.loc[label, ["subject", "paper"]].notna().all()]]
    gap = (wide["paper"] - wide["subject"]).map("{:+.3f}".format)
    table = wide.map(lambda value: "-" if pd.isna(value) else f"{value:.3f}").assign(gap=gap)
    return markdown(table.rename(columns={"gap": "paper - subject"}).rename_axis("AUC").reset_index())


def karyotypes(results: Path) -> str:
    """Real aneuploidies, and normal cells, that counting and a network call abnormal."""
    return _found(results, ["trisomy", "sex_aneuploidy", "normal"])


def derived_kinds(results: Path) -> str:
    """Derived abnormalities that a network calls abnormal, kind by kind."""
    table = pd.read_csv(results / "karyotypes.csv")
    real = {"trisomy", "sex_aneuploidy", "normal"}
    return _found(results, [kind for kind in table["kind"].unique() if kind not in real])


def triage(results: Path) -> str:
    """What each rule sends to a person, and what it lets through."""
    table = pd.read_csv(results / "karyogram_triage.csv")
    lines = [
        [
            row.rule,
            row.text,
            f"{row.review} of {row.images}",
            interval(row.accuracy, row.accuracy_low, row.accuracy_high) if row.alone else "-",
            f"{row.missed}",
            interval(row.sensitivity, row.sensitivity_low, row.sensitivity_high),
        ]
        for row in table.itertuples(index=False)
    ]
    heads = ["rule", "who looks", "to a person", "right of the others", "abnormal ones missed", "sensitivity of all"]
    return markdown(pd.DataFrame(lines, columns=heads))


def mc_dropout(results: Path) -> str:
    """What a hundred passes cost, against one pass and against the other ways of making them."""
    table = pd.read_csv(results / "mc_dropout.csv")
    return markdown(table[list(_COSTS)].rename(columns=_COSTS).round(2))


def _found(results: Path, kinds: list[str]) -> str:
    table = pd.read_csv(results / "karyotypes.csv")
    table = table[table["kind"].isin(kinds)]
    table["shown"] = [
        f"{row.found} of {row.cells} ({row.low:.2f} to {row.high:.2f})" for row in table.itertuples(index=False)
    ]
    totals = table.drop_duplicates("kind").set_index("kind")
    heads = {kind: f"{kind.replace('_', ' ')}, of {totals.loc[kind, 'cases']} cases" for kind in kinds}
    wide = table.pivot(index="method", columns="kind", values="shown")
    wide = wide.loc[table["method"].unique(), kinds].rename(columns=heads)
    return markdown(wide.reset_index())


def _rows(results: Path) -> pd.DataFrame:
    rows = pd.read_csv(results / "karyograms.csv", dtype={"label": str, "folds": str})
    compared = rows.loc[rows["metric"].str.startswith("difference/"), "label"]
    return rows[rows["metric"].isin(METRICS) & ~rows["label"].isin(compared)]


def _shown(found: pd.DataFrame, metric: str) -> str:
    if metric not in found.index:
        return "-"
    return interval(*found.loc[metric, ["value", "low", "high"]])
