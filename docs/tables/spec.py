"""The tables of README.md and docs/ by name: the CSV table that each is made of, its columns and their formats."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from common.errors import UserError
from docs.tables.builder import Table, split
from docs.tables.claims import audit_failures, audit_tally, claims, confusion_matrices
from evaluation.core.markdown import interval, markdown
from evaluation.papers.measured import read_measured

RUNS = "label={label} | images={images} | subjects={subjects:.0f}"
METRICS = {"f1_weighted": "weighted F1", "auc": "AUC", "accuracy": "accuracy"}
MAIN = "metric in ['f1_weighted', 'auc']"
CHROMOSOMES = {
    "accuracy": "accuracy",
    "f1_macro": "macro F1",
    "accuracy_assigned": "accuracy, jointly",
    "f1_macro_assigned": "macro F1, jointly",
    "cells_right": "cells right",
    "cells_right_assigned": "cells right, jointly",
}
KARYOGRAMS = {"accuracy": "accuracy", "precision/abnormal": "precision", "recall/abnormal": "recall", "auc": "AUC"}
REAL_KINDS = ["trisomy", "sex_aneuploidy", "normal"]


def measurements(results: Path, csv: str) -> pd.DataFrame:
    """Read measurements that are no comparisons."""
    return read_measured(results / csv).query("~compared")


def with_means(results: Path, csv: str) -> pd.DataFrame:
    """Read measurements, the pooled ones and then those that are means over several folds."""
    pooled = measurements(results, csv)
    if pooled["mean_over_folds"].isna().all():
        return pooled.assign(kind="")
    means = pooled.assign(value=pooled["mean_over_folds"], low=pooled["mean_low"], high=pooled["mean_high"])
    return pd.concat([pooled.assign(kind=", pooled"), means[means["runs"] > 1].assign(kind=", mean over folds")])


def comparisons(results: Path, csv: str) -> pd.DataFrame:
    """Read the paired differences of comparisons, and McNemar's p as ``text``."""
    rows = read_measured(results / csv).query(f"metric in {[f'difference/{name}' for name in METRICS][:2]}")
    p_values = read_measured(results / csv).query("metric == 'mcnemar_p'").set_index("label")["value"]
    text = p_values.map(lambda p: "< 0.001" if p < 0.001 else f"{p:.3f}")
    return rows.assign(metric=rows["metric"].str.removeprefix("difference/"), p=rows["label"].map(text))


def recalls(results: Path, csv: str) -> pd.DataFrame:
    """Read the recall of each class of pooled folds, as predicted and after joint assignment."""
    rows = measurements(results, csv).query("metric.str.startswith('recall/') and runs > 1")
    name = rows["metric"].str.removeprefix("recall/")
    suffix = name.str.endswith("_assigned").map({True: ", jointly", False: ""})
    return rows.assign(name=name.str.removesuffix("_assigned"), run=rows["label"] + suffix)


def inside_and_outside(results: Path, csv: str) -> pd.DataFrame:
    """Read the means over the runs of a label, on their own data set and on another one."""
    rows = pd.read_csv(results / csv).query(f"metric in {list(METRICS)}")
    place = rows["tested_on"].isna().map({True: "inside", False: "outside"})
    grouped = rows.assign(place=place).groupby(["label", "metric", "place"], sort=False)["value"]
    return grouped.agg(["size", "mean"]).reset_index()


def plan_in_minutes(results: Path, csv: str) -> pd.DataFrame:
    """Read a plan, with the minutes of a job."""
    rows = pd.read_csv(results / csv)
    return rows.assign(minutes_least=60 * rows["hours_least"], minutes_most=60 * rows["hours_most"])


def protocol_gaps(results: Path) -> str:
    """Return the AUC of each network by protocol, and by how much the paper's protocol raises the honest one."""
    wide: dict[str, dict[str, float]] = {}
    for row in measurements(results, "karyograms.csv").query("metric == 'auc'").to_dict("records"):
        wide.setdefault(row["label"], {})[row["protocol"]] = row["value"]
    lines = []
    for label, auc in wide.items():
        if {"subject", "paper"} <= auc.keys():
            shown = {name: f"{auc[name]:.3f}" if name in auc else "-" for name in ("subject", "image", "paper")}
            lines.append({"AUC": label, **shown, "paper - subject": f"{auc['paper'] - auc['subject']:+.3f}"})
    return split(pd.DataFrame(lines))


def structure(results: Path) -> str:
    """Return the measurements of the code base, before its restructuring and now."""
    return markdown(pd.read_csv(results / "structure.csv", dtype=str))


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


def measured(name: str) -> Table:
    """Return the table of a file's weighted F1 and AUC, a line per label."""
    return Table(f"{name}.csv", RUNS, "{metric}{kind}={value_ci}", MAIN, METRICS, with_means)


def differences(name: str) -> Table:
    """Return the table of a file's paired differences, a line per comparison."""
    return Table(f"{name}.csv", f"{RUNS} | McNemar's p={{p}}", "{metric}={value_gap}", "", METRICS, comparisons)


def karyotypes(where: str) -> Table:
    """Return the table of the cells of each kind that each method predicts abnormal."""
    cell = "{method}={found} of {cells} ({low:.2f} to {high:.2f})"
    return Table("karyotypes.csv", "kind={kind} | cases={cases}", cell, where)


TABLES: dict[str, Callable[[Path], str]] = {
    "headline": headline,
    "structure": structure,
    "claims": claims("004"),
    "claims_001": confusion_matrices,
    "claims_and_measured": claims("002", "003"),
    "claims_audit": audit_failures,
    "claims_tally": audit_tally,
    "cnmc_sample": measured("cnmc_sample"),
    "cnmc_sample_differences": differences("cnmc_sample"),
    "all_idb2": measured("all_idb2"),
    "all_idb2_differences": differences("all_idb2"),
    "pbc_blood_cells": measured("pbc_blood_cells"),
    "pbc_blood_cells_differences": differences("pbc_blood_cells"),
    "demo": measured("demo"),
    "chromosomes": Table(
        "chromosomes.csv",
        f"{RUNS} | folds={{runs}} | images seen per fold={{images_seen:,.0f}} | minutes per fold={{minutes:,.0f}}",
        "{metric}={value_ci}",
        f"metric in {list(CHROMOSOMES)}",
        CHROMOSOMES,
        measurements,
    ),
    "chromosome_recalls": Table("chromosomes.csv", "class={name}", "{run}={value:.3f}", read=recalls),
    "overhead": Table(
        "overhead.csv",
        "case={case} | bare step, ms={bare_ms:.3f} | train.py's step, ms={ours_ms:.3f} | bare / ours={ratio:.3f}",
    ),
    "plan_grid": Table(
        "plan_cnmc_grid.csv",
        "experiment={experiment} | GFLOP per image={gflops_training:.1f} | images, at most={images_most:,.0f} | "
        "bound by={bound_by} | minutes={minutes_least:.1f} to {minutes_most:.1f}",
        where="experiment != 'all'",
        read=plan_in_minutes,
    ),
    "plan_totals": Table(
        "plan_cnmc_grid.csv",
        "GPUs={gpus}",
        "hours at speed x {speed:g}={hours_least:.2f} to {hours_most:.2f}",
        "experiment == 'all'",
    ),
    "startup": Table(
        "startup.csv", "phase={phase}", "{case}{bytecode}={wall_s:.2f}", "", {True: "", False: ", no bytecode"}
    ),
    "karyograms": Table(
        "karyograms.csv",
        "network={label} | protocol={protocol} | images={images} | images seen={images_seen:,.0f} | "
        "minutes={minutes:.0f}",
        "{metric}={value_ci}",
        f"metric in {list(KARYOGRAMS)}",
        KARYOGRAMS,
        measurements,
        keys=2,
    ),
    "karyogram_differences": differences("karyograms"),
    "protocol_gap": protocol_gaps,
    "karyotypes": karyotypes(f"kind in {REAL_KINDS}"),
    "derived_kinds": karyotypes(f"kind not in {REAL_KINDS}"),
    "triage": Table(
        "karyogram_triage.csv",
        "rule={rule} | to a person={review} of {images} | accuracy of the others={accuracy_ci} | "
        "abnormal missed={missed} | sensitivity={sensitivity_ci} | definition={text}",
    ),
    "mc_dropout": Table(
        "mc_dropout.csv",
        "network={case} | one pass, ms={plain_ms:.2f} | 100 passes, ms={ours_ms:.2f} | 100 passes / one={ratio:.2f} | "
        "faster than repeated features={over_features:.2f} | than a repeated batch={over_repeat:.2f} | "
        "than 100 whole passes={over_naive:.2f}",
    ),
    "ensembles": Table(
        "ensembles/*.csv",
        "set={file} | model={model} | fitted numbers={parameters:,} | validation={validation:.3f} | "
        "held out={nested:.3f} | test={test_ci} | minus the average={difference_gap}",
        where="kind != 'member' and metric == 'f1_weighted' and fold == 'all'",
    ),
    "missed": Table(
        "missed/*.csv", "missed by={k}", "{file}={images} ({independent:.0f})", "true_class == '(every class)'"
    ),
    "external": Table(
        "external.csv",
        "network={label} | runs={size}",
        "{metric}, {place}={mean:.3f}",
        words=METRICS,
        read=inside_and_outside,
    ),
    "coverage": Table(
        "coverage.csv",
        "world={world} | subjects={subjects} | metric={metric}",
        "{method}={share:.1%}",
        "metric in ['f1_weighted', 'auc', 'sensitivity', 'specificity']",
        keys=3,
    ),
    "ensemble_speed": Table(
        "ensemble_benchmark.csv",
        "case={case}",
        "{way}, CPU s={cpu_seconds:.3f} ({cpu_ratio:,.0f} x)",
        "measured == 'time'",
    ),
    "ensemble_search": Table(
        "ensemble_benchmark.csv", "case={case}", "{way}={gap:.4f}", "measured == 'fitness' and evaluations == 10000"
    ),
    "localisation": Table(
        "localisation.csv",
        "run={experiment}, {method}, {layer} | images={images} | hits={pointing_ci} | by chance={area:.4f} | "
        "near={pointing_near_ci} | near by chance={area_near:.4f} | heat within={energy_ci}",
        where="group == 'all'",
    ),
}
