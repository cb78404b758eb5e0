"""Runs collected into the rows of a table: means over folds and seeds, and what they cost."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from rich.console import Group

from common.config.schema import EvaluationConfig
from common.runs.run import Run
from common.runs.usage import CPU
from evaluation.comparison.departures import departures
from evaluation.intervals.pooling import merge_facts
from evaluation.intervals.seeds import collect
from evaluation.renderers import terminal
from evaluation.result import Estimate
from evaluation.results_csv import SEPARATOR
from evaluation.run_groups import run_groups
from evaluation.tables import Cell, Table

GIB = 2**30
DIFFERENCES = 3  # keys in which configurations differ that a label names; beyond, it has the configuration's hash
PEAKS = {"peak_memory_gib": "peak_memory_bytes", "peak_device_memory_gib": "peak_device_memory_bytes"}


def collect_rows(runs: Sequence[Run], each: bool = False) -> pd.DataFrame:
    """Return a row per experiment, protocol and configuration: means over folds and seeds with 95 % intervals, costs.

    ``images_seen`` and ``wall_seconds`` are of the training of all its runs together; ``total_hours`` their whole wall
    time, preparation and prediction included; ``gpu_hours`` that time times the devices, of GPUs; ``cpu_hours`` the
    processor time of all cores. What is not known of every run is empty. With ``each`` every run has a row.

    Raises:
        UserError: Two runs are of the same fold and seed, or predictions cannot be read.
    """
    groups = run_groups(runs)
    labels = _labels(groups)
    rows = []
    for label, group in zip(labels, groups, strict=True):
        if each:
            rows += [_row(f"{label}, {run.folder.parent.name}, {run.folder.name}", [run]) for run in group]
        else:
            rows.append(_row(label, group))
    return pd.DataFrame(rows).convert_dtypes()


def _row(label: str, runs: Sequence[Run]) -> dict[str, Any]:
    facts = merge_facts([run.predictions.about for run in runs])
    row = {"label": label, "experiment": facts.get("name")}
    row |= {name: facts.get(name) for name in ("source", "protocol")}
    row |= {"folds": _words(facts.get("fold")), "seeds": _words(facts.get("seed")), "runs": len(runs)}
    # The intervals resample nothing: see evaluation.intervals.methods.
    collected = collect([run.predictions for run in runs], EvaluationConfig(resamples=10))
    row |= {"images": collected.images, "subjects": collected.subjects}
    for name, mean in collected.metrics.items():
        row |= mean.columns(name)
    row |= {"images_seen": facts.get("images_seen"), "wall_seconds": facts.get("wall_seconds")}
    row |= run_costs(runs) | {"revision": _words(facts.get("revision"))}
    return row | {"departures": SEPARATOR.join(departures(runs)), "remarks": SEPARATOR.join(_remarks(runs, facts))}


def run_costs(runs: Sequence[Run]) -> dict[str, Any]:
    """Return what runs have cost together, {} where a run was not measured; see ``collect_rows``."""
    usages = [run.usage for run in runs]
    if None in usages:
        return {}
    table = pd.DataFrame(usages)
    devices = pd.DataFrame(list(table["by_device"])).sum()
    costs = {
        "total_hours": float(table["wall_seconds"].sum()) / 3600,
        "device": " + ".join(devices.index),
        "gpu_hours": float(devices.drop(CPU, errors="ignore").sum()) / 3600,
        "cpu_hours": float(table["cpu_seconds"].sum()) / 3600,
    }
    for name, key in PEAKS.items():
        costs[name] = pd.to_numeric(table[key]).max() / GIB
    return costs


def _words(fact: Any) -> str:
    values = fact if isinstance(fact, list) else [fact]
    return " ".join(map(str, filter(lambda value: value is not None, values)))


def _remarks(runs: Sequence[Run], facts: dict[str, Any]) -> list[str]:
    """What a reader of the row must know: what is mixed, missing, or was not measured."""
    remarks = []
    if isinstance(facts.get("revision"), list):
        remarks.append(f"made with revisions {', '.join(map(str, facts['revision']))}")
    abouts = pd.DataFrame([run.predictions.about for run in runs]).reindex(columns=["fold", "seed"]).astype(str)
    if len(runs) < abouts["fold"].nunique() * abouts["seed"].nunique():  # the mean then weighs the other folds more
        remarks.append("some seeds lack a fold")
    if any(run.usage is None for run in runs):
        remarks.append("cost not measured of all runs")
    return remarks


def _labels(groups: Sequence[Sequence[Run]]) -> list[str]:
    """Name each group by its experiment and, where several share the name, by what differs."""
    facts = pd.DataFrame([_facts(group[0]) for group in groups]).astype(str)
    labels = facts["name"].copy()
    for name, rows in facts.groupby("name"):
        differing = list(rows.columns[rows.nunique() > 1].drop("config", errors="ignore"))
        if len(differing) > DIFFERENCES:
            differing = ["config"]
        for place, values in rows[differing].iterrows():
            labels[place] = ", ".join([str(name), *(f"{key} {values[key]}" for key in differing)])
    return list(labels)


def _facts(run: Run) -> dict[str, Any]:
    about = run.predictions.about
    identity = run.identity
    contents = identity.get("contents") or {}
    facts = {key: about.get(key) for key in ("name", "protocol", "source", "config")}
    facts["content of data"] = str(contents.get("data"))[:8]
    if identity.get("config"):
        facts |= pd.json_normalize(identity["config"]).iloc[0].to_dict()
    return facts


def collected_table(rows: pd.DataFrame) -> Group:
    """Draw the main columns of ``collect_rows``; the others are in the CSV."""
    drawn: list[dict[str, Cell]] = []
    for row in rows.astype(object).where(rows.notna(), None).to_dict("records"):
        cells: dict[str, Cell] = {"label": row["label"], "runs": row["runs"]}
        for name in ("f1_weighted", "auc"):
            low, high = (row[f"{name}_{end}_with_seeds"] or row[f"{name}_{end}"] for end in ("low", "high"))
            cells[name] = Estimate(row[name], low, high)
        for heading, name in {"hours": "total_hours", "GPU h": "gpu_hours", "CPU h": "cpu_hours"}.items():
            cells[heading] = row.get(name)
        drawn.append(cells)
    notes = ["below each value: its 95 % interval over subjects (images where none is known), and over several seeds"]
    notes += [f"! {row['label']}: {row['remarks']}" for row in rows.to_dict("records") if row["remarks"]]
    return terminal(Table.of("", drawn, notes=tuple(notes), below=True))
