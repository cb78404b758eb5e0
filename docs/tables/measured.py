"""The tables of README.md, each a function of the folder of measured results."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from common.errors import UserError
from docs.tables import ensembles as judged_tables
from docs.tables import karyograms as karyogram_tables
from docs.tables import plans as plan_tables
from docs.tables.headline import headline
from evaluation.core.markdown import interval, markdown
from evaluation.papers import tables as claims_tables
from evaluation.papers.reproduction import FOLD_LABEL

SHOWN = {"f1_weighted": "weighted F1", "auc": "AUC"}
CHROMOSOMES = {
    "accuracy": "accuracy",
    "f1_macro": "macro F1",
    "accuracy_assigned": "accuracy, placed jointly",
    "f1_macro_assigned": "macro F1, placed jointly",
    "cells_right": "cells wholly right",
    "cells_right_assigned": "cells wholly right, placed jointly",
}


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
            rows["shown"] = [
                interval(row.mean_over_folds, row.mean_low, row.mean_high) if " " in str(row.folds) else "-"
                for row in rows.itertuples()
            ]
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
    "headline": headline,
    "claims": claims_tables.claims("004"),
    "claims_001": claims_tables.claims_001,
    "claims_and_measured": claims_tables.claims("002", "003"),
    "claims_audit": claims_tables.claims_audit,
    "claims_tally": claims_tables.claims_tally,
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
    "plan_grid": plan_tables.plan_grid,
    "plan_totals": plan_tables.plan_totals,
    "startup": plan_tables.startup,
    "karyograms": karyogram_tables.karyograms,
    "karyogram_differences": differences("karyograms"),
    "protocol_gap": karyogram_tables.protocol_gap,
    "karyotypes": karyogram_tables.karyotypes,
    "derived_kinds": karyogram_tables.derived_kinds,
    "triage": karyogram_tables.triage,
    "mc_dropout": karyogram_tables.mc_dropout,
    "ensembles": judged_tables.ensembles,
    "missed": judged_tables.missed,
    "external": judged_tables.external,
    "coverage": judged_tables.coverage,
    "ensemble_speed": judged_tables.ensemble_speed,
    "ensemble_search": judged_tables.ensemble_search,
    "localisation": judged_tables.localisation,
}
