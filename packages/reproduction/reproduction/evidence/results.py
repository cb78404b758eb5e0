"""Recompute every figure that follows from kept predictions: ``python -m reproduction.evidence.results``.

It reads ``results/evidence`` alone, and writes ``results/grades.csv``, every printed figure of the papers beside ours,
``results/sign_tests.csv`` and the tables of ``results/recomputed``:

- ``runs.csv``: a row per run of a network, with the interval over persons of each metric
- ``area.csv``: what a logistic regression on the area of the cell alone gives, a row per split
- ``networks.csv``: a row per network, configuration and split, over its folds and seeds
- ``ensembles.csv``: ensembles of the networks of a split, and these
- ``leak.csv``: a network on the same test images, with and without their persons in training
- ``repeated_cells.csv``: networks on the random split, with and without test images of cells that train
- ``person_pairs.csv``: a network and the area of the cell, by pairs of a patient and a healthy person
- ``missed.csv``: how many test images exactly k of four networks miss (paper 004, figure 33)
- ``heat.csv``: the share of the heat of Grad-CAM inside the outline of the cell (paper 004, 4.2)
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from karyocyte.common.cli import say
from karyocyte.common.files import write_csv
from karyocyte.evaluation.comparison.departures import departures
from karyocyte.evaluation.comparison.pairwise import compare_groups
from karyocyte.evaluation.intervals.by_case import by_case
from karyocyte.evaluation.intervals.seeds import run_groups, seed_means
from karyocyte.evaluation.metrics.labelled import score
from karyocyte.evaluation.metrics.resampled import evaluate
from karyocyte.evaluation.pooling.experiments import Group, group_runs
from karyocyte.evaluation.pooling.pooling import pool
from karyocyte.runs.predictions import COLUMNS, Predictions
from karyocyte.runs.run import Run
from reproduction.claims import EVIDENCE, RESULTS
from reproduction.difference import SETTINGS
from reproduction.evidence.ensembles import rows_of_ensembles
from reproduction.evidence.keep import HEAT
from reproduction.evidence.same_cells import rows_of_person_pairs, rows_of_repeats
from reproduction.figures.missed import rows_of_missed
from reproduction.grades import grade_table, sign_tests
from reproduction.measured import names_one_class
from reproduction.persons.linked import unknown_persons

DIGITS = "%.6f"
OF_LEAKS = ("auc", "f1_weighted")  # metrics
FACTS = ("name", "config", "protocol", "fold", "seed", "images_seen", "revision")


def rows_of_runs(runs: Sequence[Run]) -> pd.DataFrame:
    """Return a row per run: its facts, and each metric with its interval over persons."""
    rows = []
    for run in runs:
        test = run.predictions.part("test")
        facts = {fact: test.about.get(fact) for fact in FACTS} | {"folder": run.folder.parent.name}
        rows.append(facts | _figures(test) | {"one_class": names_one_class(test)})
    return pd.DataFrame(rows)


def rows_of_areas(evidence: Path) -> pd.DataFrame:
    """Return a row per split whose areas are known: each metric of the area alone, with its interval over persons."""
    rows = []
    for path in sorted((evidence / "splits").glob("*.parquet")):
        whole = pd.read_parquet(path)
        split = unknown_persons(whole) if "-names-" in path.stem else whole[whole["part"] == "test"]
        if "area" in split:
            split = split.reindex(columns=[*COLUMNS, "area"])
            frame = split.assign(prob_hem=1 - split["area"].astype(float), prob_all=split["area"].astype(float))
            alone = Predictions(frame, ("hem", "all"), "all", {"fold": 0, "seed": 0})
            rows.append({"split": path.stem, **_figures(alone)})
    return pd.DataFrame(rows)


def _figures(test: Predictions) -> dict[str, object]:
    """Return the images and persons of a test part, and each metric with its interval."""
    found = seed_means([test], SETTINGS)
    row: dict[str, object] = {"images": found.images, "persons": found.subjects}
    for name, mean in found.metrics.items():
        row |= mean.columns(name)
    return row


def rows_of_networks(runs: Sequence[Run]) -> pd.DataFrame:
    """Return a row per network, configuration and split: means over folds and seeds, and how far each spreads.

    Runs that name one class for all images are counted, and in no mean.
    """
    rows = []
    for group in run_groups(runs):
        parts = [run.predictions.part("test") for run in group]
        row = {name: parts[0].about[name] for name in ("name", "config", "protocol")}
        for fact in ("fold", "seed"):
            row[f"{fact}s"] = " ".join(sorted({str(part.about[fact]) for part in parts}))
        row["departures"] = "; ".join(departures(group))
        sound = [part for part in parts if not names_one_class(part)]
        row["one_class"] = f"{len(parts) - len(sound)} of {len(parts)}"
        if sound:
            for name, mean in seed_means(sound, SETTINGS).metrics.items():
                row |= mean.all_columns(name)
        rows.append(row)
    return pd.DataFrame(rows)


def rows_of_leaks(groups: Sequence[Group]) -> pd.DataFrame:
    """Return what the paper's split adds to each network that was also trained with persons apart, a row per metric.

    One run of ``protocol=paper`` and the folds of ``protocol=subject`` are compared on the images that both have
    tested: those of the random test part, predicted once by a network that knows other images of the same persons, once
    by one that knows none. Intervals are by persons.
    """
    of_network: dict[tuple[str, ...], dict[str, list[Predictions]]] = {}
    for group in groups:
        about = group.runs[0].about
        key = tuple(str(about[fact]) for fact in ("name", "config", "seed"))
        by_protocol = of_network.setdefault(key, {})
        by_protocol.setdefault(str(about["protocol"]), []).extend(run.part("test") for run in group.runs)
    rows = []
    for (network, config, seed), tests in of_network.items():
        if tests.keys() >= {"paper", "subject"}:
            leaks = _leaks(pool(tests["paper"]), pool(tests["subject"]))
            rows += [{"config": config, "seed": seed, "network": network, **row} for row in leaks]
    return pd.DataFrame(rows)


def _leaks(random: Predictions, apart: Predictions) -> list[dict[str, object]]:
    """Return a row per metric: its value on the random split, with persons apart, and the difference."""
    images = set(random.frame["image_id"]) & set(apart.frame["image_id"])
    groups = []
    for label, predictions in {"random": random, "apart": apart}.items():
        kept = predictions.frame[predictions.frame["image_id"].isin(images)]
        groups.append(Group(label, (replace(predictions, frame=kept.reset_index(drop=True)),), ()))
    pair = compare_groups(groups, SETTINGS).pairs[0]
    of_random, of_apart = (evaluate(score(group.runs[0])) for group in groups)
    rows = []
    for metric in OF_LEAKS:
        row: dict[str, object] = {"metric": metric, "images": pair.images, "persons": pair.subjects}
        row |= {"random": of_random[metric], "apart": of_apart[metric]}
        rows.append(row | pair.differences[metric].columns("difference"))
    return rows


def rows_of_heat(runs: Sequence[Run]) -> pd.DataFrame:
    """Return the mean share of the heat inside the cell of all images and of each class, with intervals by person.

    Images without heat are left out.
    """
    tables = []
    for run in runs:
        if (run.folder / HEAT).is_file():
            images = pd.read_parquet(run.folder / HEAT).merge(run.predictions.frame, on="image_id")
            images = images.astype({"inside": float, "content": float}).dropna(subset="inside")
            facts = {fact: run.predictions.about[fact] for fact in FACTS[:5]} | {"images": len(images)}
            tables += [table.assign(**facts) for table in _heat_tables(images)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _heat_tables(images: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the shares of heat and of pixels inside the cell, and by how much that of the heat is above the other."""
    images = images.assign(excess=images["inside"] - images["content"])

    def intervals(names: Sequence[str], least: float) -> pd.DataFrame:
        """Return the means of columns that are at least ``least`` and at most 1, with intervals by person."""
        return by_case(lambda kept: _means(images[kept], names), images["subject"], SETTINGS.confidence, (least, 1.0))

    return [intervals(["inside", "content"], 0.0), intervals(["excess"], -1.0)]


def _means(images: pd.DataFrame, names: Sequence[str]) -> dict[str, float]:
    """Return the means of some columns, of all images and by class."""
    groups = [("any", images), *images.groupby("label")]
    return {f"{name}, {label}": of_class[name].mean() for label, of_class in groups for name in names}


def write_all(output: Path = RESULTS / "recomputed", evidence: Path = RESULTS / EVIDENCE) -> None:
    """Write all tables from the kept predictions."""
    runs = [run for run in Run.find(evidence) if run.predictions.positive_class == "all"]
    # The folds of each network and configuration count together.
    groups = group_runs([run.predictions for run in runs], [str(run.folder) for run in runs])
    tables = {
        "runs": rows_of_runs(runs),
        "area": rows_of_areas(evidence),
        "networks": rows_of_networks(runs),
        "ensembles": rows_of_ensembles(groups),
        "leak": rows_of_leaks(groups),
        "missed": rows_of_missed([run.predictions for run in runs]),
        "heat": rows_of_heat(runs),
        "repeated_cells": rows_of_repeats(runs),
        "person_pairs": rows_of_person_pairs(runs),
    }
    for name, table in tables.items():
        (output / f"{name}.csv").unlink(missing_ok=True)
        if len(table):
            write_csv(output / f"{name}.csv", table, DIGITS)
        say(f"{name}: {len(table)} rows")


if __name__ == "__main__":
    write_all()
    graded = grade_table()
    write_csv(RESULTS / "grades.csv", graded, DIGITS)
    write_csv(RESULTS / "sign_tests.csv", sign_tests(graded), DIGITS)
