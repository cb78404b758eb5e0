"""The tables of README.md and docs/ by name: which CSV table each is made of, its columns and their formats."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from common.errors import UserError
from docs.tables.builders import Pivot, Rows, bounds, optional, split
from docs.tables.claims import audit_failures, audit_tally, claims, confusion_matrices
from evaluation.core.markdown import interval
from evaluation.papers.measured import read_measured

METRICS = {"f1_weighted": "weighted F1", "auc": "AUC", "accuracy": "accuracy", "mcnemar_p": "McNemar's p"}
MAIN = "metric in ['f1_weighted', 'auc']"
CHROMOSOMES = {
    "accuracy": "accuracy",
    "f1_macro": "macro F1",
    "accuracy_assigned": "accuracy, jointly",
    "f1_macro_assigned": "macro F1, jointly",
    "cells_right": "cells right",
    "cells_right_assigned": "cells right, jointly",
}
KARYOGRAMS = {
    "accuracy": "accuracy",
    "precision/abnormal": "precision",
    "recall/abnormal": "recall",
    "auc": "AUC",
}
REAL_KINDS = ["trisomy", "sex_aneuploidy", "normal"]
COVERED = ["f1_weighted", "auc", "sensitivity", "specificity"]


def measurements(results: Path, csv: str, where: str) -> pd.DataFrame:
    """Read measurements that are no comparisons."""
    return read_measured(results / csv).query(f"~compared and ({where})")


def with_means(results: Path, csv: str, where: str) -> pd.DataFrame:
    """Read measurements, the pooled ones and then those that are means over several folds."""
    pooled = measurements(results, csv, where).assign(kind="")
    if pooled["mean_over_folds"].isna().all():
        return pooled
    means = pooled.assign(value=pooled["mean_over_folds"], low=pooled["mean_low"], high=pooled["mean_high"])
    means = means[means["runs"] > 1].assign(kind=", mean over folds")
    return pd.concat([pooled.assign(kind=", pooled"), means])


def differences_of(results: Path, csv: str, where: str) -> pd.DataFrame:
    """Read the paired differences of comparisons, and McNemar's p."""
    rows = read_measured(results / csv).query(where)
    return rows.assign(metric=rows["metric"].str.removeprefix("difference/"))


def recalls(results: Path, csv: str, where: str) -> pd.DataFrame:
    """Read the recall of each class, as predicted and after joint assignment."""
    rows = measurements(results, csv, where)
    name = rows["metric"].str.removeprefix("recall/")
    suffix = name.str.endswith("_assigned").map({True: ", jointly", False: ""})
    return rows.assign(name=name.str.removesuffix("_assigned"), run=rows["label"] + suffix)


def inside_and_outside(results: Path, csv: str, where: str) -> pd.DataFrame:
    """Read the means over the runs of a label, on their own data set and on another one."""
    rows = pd.read_csv(results / csv).query(where)
    rows["place"] = rows["tested_on"].isna().map({True: "inside", False: "outside"})
    grouped = rows.groupby(["label", "metric", "place"], sort=False)["value"]
    return grouped.agg(["size", "mean"]).reset_index()


def protocol_gaps(results: Path) -> str:
    """Return the AUC of each network by protocol, and by how much the paper's protocol raises the honest one."""
    rows = measurements(results, "karyograms.csv", "metric == 'auc'")
    wide = rows.pivot(index="label", columns="protocol", values="value")[["subject", "image", "paper"]]
    wide = wide.loc[[label for label in rows["label"].unique() if wide.loc[label, ["subject", "paper"]].notna().all()]]
    gap = (wide["paper"] - wide["subject"]).map("{:+.3f}".format)
    table = wide.map(lambda value: "-" if pd.isna(value) else f"{value:.3f}").assign(gap=gap)
    return split(table.rename(columns={"gap": "paper - subject"}).rename_axis("AUC").reset_index())


def headline(results: Path) -> str:
    """Return the main results beside the best published figures, which published.csv names."""
    rows = []
    for row in pd.read_csv(results / "published.csv", dtype=str, keep_default_na=False).to_dict("records"):
        measured = read_measured(results / f"{row['file']}.csv")
        match = measured[(measured["label"] == row["label"]) & (measured["metric"] == row["metric"])]
        if len(match) != 1:
            raise UserError(f"{row['file']}.csv has {len(match)} rows {row['label']!r}, {row['metric']}: one is needed")
        ours = match.iloc[0]
        line = {"task": row["task"], "data": row["data"], "metric": row["shown"]}
        line["ours"] = interval(ours["value"], ours["low"], ours["high"])
        line["published"] = f"{row['published']} ({row['source']})" if row["published"] else "-"
        rows.append(line)
    return split(pd.DataFrame(rows))


def subjects(row: dict) -> str:
    """Return the number of subjects."""
    return "unknown" if pd.isna(row["subjects"]) else f"{row['subjects']:.0f}"


def measured(csv: str) -> Pivot:
    """Return the table of a file's weighted F1 and AUC, a line per label."""
    index = {"label": "{label}", "images": "{images}", "subjects": subjects}
    return Pivot(csv, index, lambda row: METRICS[row["metric"]] + row["kind"], bounds("value"), MAIN, with_means)


def differences(csv: str) -> Pivot:
    """Return the table of a file's paired differences, a line per comparison."""

    def cell(row: dict) -> str:
        if row["metric"] != "mcnemar_p":
            return interval(row["value"], row["low"], row["high"], "+")
        return "< 0.001" if row["value"] < 0.001 else f"{row['value']:.3f}"

    index = {"label": "{label}", "images": "{images}", "subjects": subjects}
    where = "metric in ['difference/f1_weighted', 'difference/auc', 'mcnemar_p']"
    return Pivot(csv, index, lambda row: METRICS[row["metric"]], cell, where, differences_of)


def karyotypes(where: str) -> Pivot:
    """Return the table of the cells of each kind that each method calls abnormal."""
    return Pivot(
        "karyotypes.csv",
        {"kind": lambda row: row["kind"].replace("_", " "), "cases": "{cases}"},
        "{method}",
        "{found} of {cells} ({low:.2f} to {high:.2f})",
        where,
    )


def hours(row: dict) -> str:
    """Return the hours of a plan; more digits where several GPUs share the work."""
    digits = 1 if row["gpus"] == 1 else 2
    return f"{row['hours_least']:.{digits}f} to {row['hours_most']:.{digits}f}"


TABLES: dict[str, Callable[[Path], str]] = {
    "headline": headline,
    "claims": claims("004"),
    "claims_001": confusion_matrices,
    "claims_and_measured": claims("002", "003"),
    "claims_audit": audit_failures,
    "claims_tally": audit_tally,
    "cnmc_sample": measured("cnmc_sample.csv"),
    "cnmc_sample_differences": differences("cnmc_sample.csv"),
    "all_idb2": measured("all_idb2.csv"),
    "all_idb2_differences": differences("all_idb2.csv"),
    "pbc_blood_cells": measured("pbc_blood_cells.csv"),
    "pbc_blood_cells_differences": differences("pbc_blood_cells.csv"),
    "demo": measured("demo.csv"),
    "chromosomes": Pivot(
        "chromosomes.csv",
        {
            "label": "{label}",
            "folds": "{runs}",
            "images": "{images}",
            "subjects": subjects,
            "images seen per fold": optional("{:,.0f}", "images_seen"),
            "minutes per fold": lambda row: "-" if pd.isna(row["wall_seconds"]) else f"{row['wall_seconds'] / 60:,.0f}",
        },
        lambda row: CHROMOSOMES[row["metric"]],
        bounds("value"),
        f"metric in {list(CHROMOSOMES)}",
        measurements,
    ),
    "chromosome_recalls": Pivot(
        "chromosomes.csv",
        {"class": "{name}"},
        "{run}",
        optional("{:.3f}", "value"),
        "metric.str.startswith('recall/') and runs > 1",
        recalls,
    ),
    "overhead": Rows(
        "overhead.csv",
        {
            "case": "{case}",
            "bare step, ms": "{bare_ms:.3f}",
            "train.py's step, ms": "{ours_ms:.3f}",
            "bare / ours": "{ratio:.3f}",
        },
    ),
    "plan_grid": Rows(
        "plan_cnmc_grid.csv",
        {
            "experiment": "{experiment}",
            "GFLOP per image": "{gflops_training:.1f}",
            "images, at most": "{images_most:,.0f}",
            "bound by": "{bound_by}",
            "minutes": lambda row: f"{60 * row['hours_least']:.1f} to {60 * row['hours_most']:.1f}",
        },
        "experiment != 'all'",
    ),
    "plan_totals": Pivot(
        "plan_cnmc_grid.csv", {"GPUs": "{gpus}"}, "hours at speed x {speed:g}", hours, "experiment == 'all'"
    ),
    "startup": Pivot(
        "startup.csv",
        {"phase": "{phase}"},
        lambda row: row["case"] + ("" if row["bytecode"] else ", no bytecode"),
        "{wall_s:.2f}",
    ),
    "karyograms": Pivot(
        "karyograms.csv",
        {
            "network": "{label}",
            "protocol": "{protocol}",
            "images": "{images}",
            "images seen": "{images_seen:,.0f}",
            "minutes": lambda row: f"{row['wall_seconds'] / 60:.0f}",
        },
        lambda row: KARYOGRAMS[row["metric"]],
        bounds("value"),
        f"metric in {list(KARYOGRAMS)}",
        measurements,
        keys=2,
    ),
    "karyogram_differences": differences("karyograms.csv"),
    "protocol_gap": protocol_gaps,
    "karyotypes": karyotypes(f"kind in {REAL_KINDS}"),
    "derived_kinds": karyotypes(f"kind not in {REAL_KINDS}"),
    "triage": Rows(
        "karyogram_triage.csv",
        {
            "rule": "{rule}",
            "to a person": "{review} of {images}",
            "accuracy of the others": lambda row: bounds("accuracy", "accuracy_")(row) if row["alone"] else "-",
            "abnormal missed": "{missed}",
            "sensitivity": bounds("sensitivity", "sensitivity_"),
            "definition": "{text}",
        },
    ),
    "mc_dropout": Rows(
        "mc_dropout.csv",
        {
            "network": "{case}",
            "one pass, ms": "{plain_ms:.2f}",
            "100 passes, ms": "{ours_ms:.2f}",
            "100 passes / one": "{ratio:.2f}",
            "faster than repeated features": "{over_features:.2f}",
            "than a repeated batch": "{over_repeat:.2f}",
            "than 100 whole passes": "{over_naive:.2f}",
        },
    ),
    "ensembles": Rows(
        "ensembles/*.csv",
        {
            "set": "{file}",
            "model": "{model}",
            "fitted numbers": "{parameters:,}",
            "validation": optional("{:.3f}", "validation"),
            "held out": optional("{:.3f}", "nested"),
            "test": bounds("test", "test_"),
            "minus the average": lambda row: (
                "-" if row["model"] == "average" else bounds("difference", "difference_", "+")(row)
            ),
        },
        "kind != 'member' and metric == 'f1_weighted' and fold == 'all'",
    ),
    "missed": Pivot(
        "missed/*.csv", {"missed by": "{k}"}, "{file}", "{images} ({independent:.0f})", "true_class == '(every class)'"
    ),
    "external": Pivot(
        "external.csv",
        {"network": "{label}", "runs": "{size}"},
        lambda row: f"{METRICS[row['metric']]}, {row['place']}",
        optional("{:.3f}", "mean"),
        "metric in ['accuracy', 'f1_weighted', 'auc']",
        inside_and_outside,
    ),
    "coverage": Pivot(
        "coverage.csv",
        {"world": "{world}", "subjects": "{subjects}", "metric": "{metric}"},
        "{method}",
        lambda row: "-" if pd.isna(row["share"]) else f"{100 * row['share']:.1f}",
        f"metric in {COVERED}",
        keys=3,
    ),
    "ensemble_speed": Pivot(
        "ensemble_benchmark.csv",
        {"case": "{case}"},
        lambda row: "ours, CPU s" if row["way"] == "ours" else f"faster than {row['way']}",
        lambda row: f"{row['cpu_seconds']:.3f}" if row["way"] == "ours" else f"{row['cpu_ratio']:,.0f}",
        "measured == 'time'",
    ),
    "ensemble_search": Pivot(
        "ensemble_benchmark.csv",
        {"case": "{case}"},
        "{way}",
        "{gap:.4f}",
        "measured == 'fitness' and evaluations == 10000",
    ),
    "localisation": Rows(
        "localisation.csv",
        {
            "experiment, method, layer": "{experiment}, {method}, {layer}",
            "images": "{images}",
            "hits": bounds("pointing", "pointing_"),
            "by chance": "{area:.4f}",
            "near": bounds("pointing_near", "pointing_near_"),
            "near by chance": "{area_near:.4f}",
            "heat within": bounds("energy", "energy_"),
        },
        "group == 'all'",
    ),
}
