"""The tables of README.md, each a function of the folder of measured results."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from common.errors import UserError
from evaluation.claims import contradictions, read_confusion, read_figures
from scripts import karyogram_tables
from scripts.shown import interval, markdown

SHOWN = {"f1_weighted": "weighted F1", "auc": "AUC"}
FOLD_LABEL = r", fold \d+$"  # rows of single folds, beside those of all folds pooled
TEST_IMAGES_001 = {"image-level 64/16/20": 30, "augmented before the split": 139}  # paper 001, 4.1 and 4.2
CHROMOSOMES = {
    "accuracy": "accuracy",
    "f1_macro": "macro F1",
    "accuracy_assigned": "accuracy, placed jointly",
    "f1_macro_assigned": "macro F1, placed jointly",
    "cells_right": "cells wholly right",
    "cells_right_assigned": "cells wholly right, placed jointly",
}


def claims(results: Path) -> str:
    """Experiments of paper 004 with the figure that the paper claims."""
    table = _claims(results)
    table = table[table["paper"] == "004"]
    table["experiment"] = "`" + table["experiment"] + "`"
    return markdown(table[["experiment", "section", "metric", "claimed", "note"]])


def claims_and_measured(results: Path) -> str:
    """Papers 002 and 003: the accuracy that each claims, and below it what was measured here, with its budget."""
    table = _claims(results).query("paper in ['002', '003']")
    files = [results / "papers_002_003.csv", results / "chromosomes.csv"]
    rows = pd.concat([pd.read_csv(file, dtype={"label": str, "folds": str}) for file in files], ignore_index=True)
    rows = rows[(rows["metric"] == "accuracy") & ~rows["label"].str.contains(FOLD_LABEL)]
    lines = []
    for claim in table.itertuples():
        lines.append([f"`{claim.experiment}`", f"{claim.claimed} ({claim.split})", "", "", "", ""])
        for row in rows[rows["experiment"] == claim.experiment].itertuples():
            runs = max(len(str(row.folds).split()), 1)
            cost = [f"{row.images_seen / runs:,.0f}", f"{row.wall_seconds / runs / 60:.1f}"]
            lines.append([row.label, "", interval(row.value, row.low, row.high), row.protocol, *cost])
    heads = ["experiment", "claimed accuracy", "measured here", "protocol", "images seen per run", "minutes per run"]
    return markdown(pd.DataFrame(lines, columns=heads))


def claims_001(results: Path) -> str:
    """Paper 001, table 5.1: what it claims of the test images, and what does not follow from its confusion matrices."""
    lines = []
    for claim in _claims(results).query("paper == '001'").itertuples():
        figures = {"accuracy": claim.claimed, **read_figures(claim.note)}
        confusion, images = read_confusion(claim.note), TEST_IMAGES_001[claim.split]
        wrong = contradictions(figures, confusion, images) if confusion else ["no matrix is printed"]
        printed = (
            "-"
            if confusion is None
            else ", ".join(f"{count} {name.upper()}" for name, count in confusion._asdict().items())
        )
        shown = [figures.get(name, "-") for name in ("accuracy", "precision", "recall", "AUC")]
        lines.append([f"`{claim.experiment}`", claim.split, *shown, printed, "; ".join(wrong) or "agrees"])
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


def measured(name: str) -> Callable[[Path], str]:
    """Return the table of one results file: a row per label, the main metrics pooled and as means over the folds."""

    def table(results: Path) -> str:
        rows = pd.read_csv(results / f"{name}.csv", dtype={"label": str, "folds": str})
        compared = rows.loc[rows["metric"].str.startswith("difference/"), "label"]
        rows = rows[rows["metric"].isin(SHOWN) & ~rows["label"].isin(compared)]
        several = rows["mean_over_folds"].notna().any()
        rows["shown"] = [interval(row.value, row.low, row.high) for row in rows.itertuples()]
        columns = {metric: f"{word}{', pooled' if several else ''}" for metric, word in SHOWN.items()}
        wide = _wide(rows, columns)
        if several:
            rows["shown"] = [interval(row.mean_over_folds, row.mean_low, row.mean_high) for row in rows.itertuples()]
            means = {metric: f"{word}, mean over folds" for metric, word in SHOWN.items()}
            wide = wide.merge(_wide(rows, means)[["label", *means.values()]], on="label")
        return markdown(wide)

    return table


def differences(name: str) -> Callable[[Path], str]:
    """Return the table of the paired differences of one results file."""

    def table(results: Path) -> str:
        rows = pd.read_csv(results / f"{name}.csv", dtype={"label": str, "folds": str})
        rows = rows[rows["metric"].str.startswith("difference/") | (rows["metric"] == "mcnemar_p")]
        rows["metric"] = rows["metric"].str.removeprefix("difference/")
        rows["shown"] = [interval(row.value, row.low, row.high, "+") for row in rows.itertuples()]
        p_value = rows["metric"] == "mcnemar_p"
        rows.loc[p_value, "shown"] = [
            "< 0.001" if value < 0.001 else f"{value:.3f}" for value in rows.loc[p_value, "value"]
        ]
        words = {metric: f"difference in {word}" for metric, word in SHOWN.items()}
        return markdown(_wide(rows, {**words, "mcnemar_p": "McNemar's p"}))

    return table


def chromosomes(results: Path) -> str:
    """Runs on single chromosomes: one by one, placed jointly cell by cell, and what the training cost per fold."""
    rows = pd.read_csv(results / "chromosomes.csv", dtype={"label": str, "folds": str})
    rows = rows[rows["metric"].isin(CHROMOSOMES) & ~rows["label"].str.contains(FOLD_LABEL)]
    rows["shown"] = [interval(row.value, row.low, row.high) for row in rows.itertuples()]
    wide = _wide(rows, CHROMOSOMES)
    facts = rows.drop_duplicates("label")
    folds = facts["folds"].fillna("0").str.split().str.len().to_numpy()
    wide.insert(1, "folds", folds)
    for column, name, unit in (("images_seen", "images seen per fold", 1), ("wall_seconds", "minutes per fold", 60)):
        each = facts[column].to_numpy() / folds / unit
        wide[name] = ["unknown" if pd.isna(one) else f"{one:,.0f}" for one in each]
    return markdown(wide)


def chromosome_recalls(results: Path) -> str:
    """The recall of each class, where several folds are pooled: one by one, and placed jointly where the cells were."""
    rows = pd.read_csv(results / "chromosomes.csv", dtype={"label": str, "folds": str})
    several = rows["folds"].fillna("").str.contains(" ")
    rows = rows[rows["metric"].str.startswith("recall/") & several]
    name = rows["metric"].str.removeprefix("recall/")
    rows["class"] = name.str.removesuffix("_assigned")
    rows["shown"] = rows["value"].map(lambda value: "-" if pd.isna(value) else f"{value:.3f}")
    rows["column"] = rows["label"].where(~name.str.endswith("_assigned"), rows["label"] + ", jointly")
    _refuse_twice(rows)
    wide = rows.pivot(index="class", columns="column", values="shown")
    wide = wide.loc[rows["class"].unique(), rows["column"].unique()]
    return markdown(wide.reset_index())


def overhead(results: Path) -> str:
    """The cost of the shell around the training."""
    table = pd.read_csv(results / "overhead.csv")
    columns = {"case": "case", "bare_ms": "bare step, ms", "ours_ms": "train.py's step, ms", "ratio": "bare / ours"}
    return markdown(table[list(columns)].rename(columns=columns).round(3))


def _claims(results: Path) -> pd.DataFrame:
    table = pd.read_csv(results / "claims.csv", dtype=str)
    return table.fillna({"claimed": "none printed", "note": ""})


def _wide(rows: pd.DataFrame, columns: dict[str, str]) -> pd.DataFrame:
    """A row per label, a column per metric, in the order in which they are named."""
    _refuse_twice(rows)
    wide = rows.pivot(index="label", columns="metric", values="shown").reindex(columns=list(columns))
    wide = wide.loc[rows["label"].unique()].fillna("-")
    facts = rows.drop_duplicates("label").set_index("label")
    subjects = ["unknown" if pd.isna(count) else f"{int(count)}" for count in facts["subjects"]]
    wide.insert(0, "images", facts["images"])
    wide.insert(1, "subjects", subjects)
    return wide.rename(columns=columns).reset_index()


def _refuse_twice(rows: pd.DataFrame) -> None:
    twice = rows[rows.duplicated(["label", "metric"])]
    if len(twice):
        raise UserError(f"the label {twice['label'].iloc[0]!r} stands for two measurements: remove the older rows")


TABLES: dict[str, Callable[[Path], str]] = {
    "claims": claims,
    "claims_001": claims_001,
    "claims_and_measured": claims_and_measured,
    "cnmc_sample": measured("cnmc_sample"),
    "cnmc_sample_differences": differences("cnmc_sample"),
    "all_idb2": measured("all_idb2"),
    "all_idb2_differences": differences("all_idb2"),
    "pbc_blood_cells": measured("pbc_blood_cells"),
    "pbc_blood_cells_differences": differences("pbc_blood_cells"),
    "demo": measured("demo"),
    "chromosomes": chromosomes,
    "chromosome_recalls": chromosome_recalls,
    "overhead": overhead,
    "karyograms": karyogram_tables.karyograms,
    "karyogram_differences": differences("karyograms"),
    "protocol_gap": karyogram_tables.protocol_gap,
    "karyotypes": karyogram_tables.karyotypes,
    "derived_kinds": karyogram_tables.derived_kinds,
    "triage": karyogram_tables.triage,
    "mc_dropout": karyogram_tables.mc_dropout,
}
