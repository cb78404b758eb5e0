"""Runs collected into the rows of a table: means over folds and seeds, and what they cost."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Group

from karyocyte.common.cli import console, say
from karyocyte.common.files import write_csv
from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.comparison.departures import departures
from karyocyte.evaluation.intervals.seeds import run_groups, seed_means
from karyocyte.evaluation.pooling.pooling import merge_facts
from karyocyte.evaluation.tables.renderers import terminal
from karyocyte.evaluation.types.formats import SEPARATOR, joined
from karyocyte.evaluation.types.result import Estimate
from karyocyte.evaluation.types.table import Cell, Table
from karyocyte.runs.run import Run
from karyocyte.runs.usage import CPU

DIFFERENCES = 3  # keys in which configurations differ that a label names; beyond, it has the configuration's hash
FACTS = ("name", "protocol", "source", "config")


def write_collected(csv: Path, runs: Sequence[Run]) -> None:
    """Print and write the table of ``collect_rows``."""
    with console.status("evaluating the runs"):
        rows = collect_rows(runs)
    console.print(collected_table(rows))
    write_csv(csv, rows, "%.6f")
    say(f"written to {csv}")


def collect_rows(runs: Sequence[Run]) -> pd.DataFrame:
    """Return a row per experiment, protocol and configuration: means over folds and seeds with 95 % intervals, costs.

    ``images_seen`` and ``wall_seconds`` are of the training of all its runs together; ``total_hours`` their whole wall
    time, ``gpu_hours`` that times the GPUs, ``cpu_hours`` the processor time. What is not known of every run is empty.
    """
    groups = run_groups(runs)
    return pd.DataFrame(list(map(_row, _labels(groups), groups))).convert_dtypes()


def _row(label: str, runs: Sequence[Run]) -> dict[str, Any]:
    predictions = [run.predictions for run in runs]
    facts = merge_facts([one.about for one in predictions])
    row: dict[str, Any] = {"label": label, "experiment": facts.get("name"), "source": facts.get("source")}
    row |= {"protocol": facts.get("protocol")}
    row |= {f"{fact}s": joined(facts.get(fact), " ") for fact in ("fold", "seed")}
    collected = seed_means(predictions, EvaluationConfig())
    row |= {"runs": len(runs), "images": collected.images, "subjects": collected.subjects}
    for name, mean in collected.metrics.items():
        row |= mean.all_columns(name)
    row |= {"images_seen": facts.get("images_seen"), "wall_seconds": facts.get("wall_seconds")}
    row |= run_costs(runs)
    return row | {"revision": joined(facts.get("revision"), " "), "departures": SEPARATOR.join(departures(runs))}


def run_costs(runs: Sequence[Run]) -> dict[str, Any]:
    """Return what runs have cost together, {} where a run was not measured; see ``collect_rows``."""
    usages = [run.usage for run in runs]
    if None in usages:
        return {}
    table = pd.DataFrame(usages)
    devices = pd.DataFrame(list(table["by_device"])).sum()
    return {
        "total_hours": float(table["wall_seconds"].sum()) / 3600,
        "device": " + ".join(devices.index),
        "gpu_hours": float(devices.drop(CPU, errors="ignore").sum()) / 3600,
        "cpu_hours": float(table["cpu_seconds"].sum()) / 3600,
    }


def _labels(groups: Sequence[Sequence[Run]]) -> list[str]:
    """Name each group by its experiment and, where several share the name, by what differs."""
    facts = pd.DataFrame(list(map(_facts, groups))).astype(object).fillna("null").astype(str)  # null differs from 0.1
    labels = facts["name"].copy()
    for _, rows in facts.groupby("name"):
        differing = rows.columns[rows.nunique() > 1].drop("config", errors="ignore")
        if len(differing) > DIFFERENCES:
            differing = pd.Index(["config"])
        for key in differing:
            labels[rows.index] += f", {key} " + rows[key]
    return list(labels)


def _facts(runs: Sequence[Run]) -> dict[str, Any]:
    about = runs[0].predictions.about
    identity = runs[0].identity
    facts: dict[str, Any] = dict(zip(FACTS, map(about.get, FACTS), strict=True))
    facts["content of data"] = str((identity.get("contents") or {}).get("data"))[:8]
    if identity.get("config"):
        facts |= pd.json_normalize(identity["config"]).iloc[0].to_dict()
    return facts


def collected_table(rows: pd.DataFrame) -> Group:
    """Draw the main columns of ``collect_rows``; the others are in the CSV."""
    drawn: list[dict[str, Cell]] = []
    notes = ["intervals are over subjects (images where none is known), and over several seeds"]
    for row in rows.astype(object).where(rows.notna(), None).to_dict("records"):
        cells: dict[str, Cell] = {"label": row["label"], "runs": row["runs"]}
        for name in ("f1_weighted", "auc"):
            cells[name] = Estimate(row[name], row[f"{name}_low"], row[f"{name}_high"])
        for heading, name in {"hours": "total_hours", "GPU h": "gpu_hours", "CPU h": "cpu_hours"}.items():
            cells[heading] = row.get(name)
        drawn.append(cells)
        if row["runs"] < len(row["folds"].split()) * len(row["seeds"].split()):
            notes.append(f"! {row['label']}: some seeds lack a fold: the mean weighs the other folds more")
    return terminal(Table.of("", drawn, notes=tuple(notes)))
