"""Recompute every figure that follows from kept predictions: ``python -m benchmarks.evidence.results``.

It reads ``results/evidence`` alone, and writes ``results/grades.csv``, every printed figure of the papers beside ours,
the tables of karyotypes, and the tables and the picture of ``results/recomputed``:

- ``runs.csv``: a row per run of a network, with the interval over persons of each metric
- ``area.csv``: what a logistic regression on the area of the cell alone gives, a row per split
- ``networks.csv``: a row per network, configuration and split, over its folds and seeds
- ``differences.csv``: pairs of networks on the same images
- ``leak.csv``: a network on the same test images, with and without their persons in training
- ``unseen.csv``: patients whom the release without review would leave unseen
- ``ensembles.csv``: the average of networks of one split, and weights by the genetic algorithm of paper 004 (3.4.3.1)
- ``heat.csv``: the share of the heat of Grad-CAM inside the outline of the cell (paper 004, 4.2)
- ``missed.csv``: images that exactly k of these networks miss
- ``roc.png``: the network of paper 004 under both splits
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations, groupby
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.evidence.keep import EVIDENCE, HEAT
from benchmarks.evidence.leak import leak
from karyocyte.common.cli import say
from karyocyte.common.files import write_csv
from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.comparison.common_errors import align_groups, missed_by_class
from karyocyte.evaluation.comparison.departures import departures
from karyocyte.evaluation.comparison.pairwise import compare_groups
from karyocyte.evaluation.intervals.by_case import by_case
from karyocyte.evaluation.intervals.grouping import Group, group_runs
from karyocyte.evaluation.intervals.seeds import OF_ALL, OF_TWO, run_groups, seed_means
from karyocyte.evaluation.metrics.labelled import score
from karyocyte.evaluation.plots.plots import rocs
from karyocyte.evaluation.pooling.averaging import align, combine
from karyocyte.evaluation.pooling.labelled_runs import LabelledRuns
from karyocyte.evaluation.pooling.pooling import pool
from karyocyte.evaluation.referral.evaluate_referral import triage
from karyocyte.evaluation.referral.unseen import unseen_table
from karyocyte.evaluation.run.evaluate import evaluate_parts
from karyocyte.runs.predictions import COLUMNS, Predictions
from karyocyte.runs.run import Run
from karyocyte.workflows.ensembles.ensemble_request import GeneticConfig
from karyocyte.workflows.ensembles.members import group_members
from karyocyte.workflows.ensembles.methods import average_of, fit
from karyocyte.workflows.papers.grades import grade_table

OUTPUT = EVIDENCE.parent / "recomputed"
FLAGSHIP = "resnet50_cut_block5"
MEMBERS = (FLAGSHIP, "resnet50_cut_block5_d512", "scratch_cnn_d256_dropout2", "vgg16_cut_block5")  # of paper 004, 3.4.1
METRICS = (*OF_ALL, *OF_TWO)
SETTINGS = EvaluationConfig()
DIGITS = "%.6f"
FACTS = ("name", "config", "protocol", "fold", "seed", "images_seen", "revision")


def rows_of_runs(runs: Iterable[Run]) -> pd.DataFrame:
    """Return a row per run: its facts, and each metric with its interval over persons."""
    rows = []
    for run in runs:
        test = run.predictions.part("test")
        found = seed_means([test], SETTINGS, names=METRICS)
        row = {fact: test.about.get(fact) for fact in FACTS} | {"images": found.images, "persons": found.subjects}
        for name, mean in found.metrics.items():
            row |= mean.estimate.columns(name)
        rows.append(row | {"one_class": predicts_one_class(test)})
    return pd.DataFrame(rows)


def rows_of_areas(evidence: Path) -> pd.DataFrame:
    """Return a row per split whose areas are known: each metric of the area alone, with its interval over persons."""
    rows = []
    for path in sorted((evidence / "splits").glob("*.parquet")):
        split = pd.read_parquet(path).query("part == 'test'")
        if "area" not in split:
            continue
        split = split.reindex(columns=[*COLUMNS, "area"])
        frame = split.assign(prob_hem=1 - split["area"].astype(float), prob_all=split["area"].astype(float))
        found = seed_means([Predictions(frame, ("hem", "all"), "all", {"fold": 0, "seed": 0})], SETTINGS, names=METRICS)
        row = {"split": path.stem, "images": found.images, "persons": found.subjects}
        for name, mean in found.metrics.items():
            row |= mean.estimate.columns(name)
        rows.append(row)
    return pd.DataFrame(rows)


def rows_of_networks(runs: Sequence[Run]) -> pd.DataFrame:
    """Return a row per network, configuration and split: means over folds and seeds, and how far each spreads."""
    rows = []
    for group in run_groups(runs):
        parts = [run.predictions.part("test") for run in group]
        about = parts[0].about
        row = {"name": about["name"], "config": about["config"], "protocol": about["protocol"]}
        for fact in ("fold", "seed"):
            row[f"{fact}s"] = " ".join(sorted({str(part.about[fact]) for part in parts}))
        row["departures"] = "; ".join(departures(group))
        row["one_class"] = f"{sum(map(predicts_one_class, parts))} of {len(parts)}"
        for name, mean in seed_means(parts, SETTINGS, names=METRICS).metrics.items():
            row |= mean.columns(name)
        rows.append(row)
    return pd.DataFrame(rows)


def predicts_one_class(test: Predictions) -> bool:
    """Tell whether a network calls all images alike."""
    return len(set(test.probabilities.argmax(axis=1))) == 1


def rows_of_differences(groups: Sequence[Group]) -> pd.DataFrame:
    """Return the paired differences of every two groups of one split and seed, first minus second."""
    rows = []
    for (protocol, seed), of_split in groupby(sorted(groups, key=_split), key=_split):
        for groups_of_pair in combinations(of_split, 2):
            for pair in compare_groups(groups_of_pair, SETTINGS).pairs:
                row: dict[str, object] = {
                    "protocol": protocol,
                    "seed": seed,
                    "first": pair.first,
                    "second": pair.second,
                }
                row |= {"images": pair.images, "persons": pair.subjects}
                for metric, interval in pair.differences.items():
                    row |= {metric: interval.value, f"{metric}_low": interval.low, f"{metric}_high": interval.high}
                rows.append(row)
    return pd.DataFrame(rows)


def _split(group: Group) -> tuple[str, str]:
    about = group.runs[0].about
    return str(about["protocol"]), str(about["seed"])


def rows_of_leaks(groups: Sequence[Group]) -> pd.DataFrame:
    """Return what the paper's split adds to each network that was also trained with persons apart."""
    of_network: dict[tuple[str, str, str], list[Predictions]] = {}
    for group in groups:
        about = group.runs[0].about
        tests = [run.part("test") for run in group.runs]
        key = (str(about["name"]), str(about["config"]), str(about["seed"]))
        of_network.setdefault(key, []).extend(tests)
    rows = []
    for (network, config, seed), tests in of_network.items():
        if {test.about["protocol"] for test in tests} >= {"paper", "subject"}:
            rows += [{"config": config, "seed": seed, **row} for row in leak(network, tests)]
    return pd.DataFrame(rows)


def rows_of_unseen(groups: Sequence[Group]) -> pd.DataFrame:
    """Return how many patients the release of each network leaves unseen, persons apart."""
    counts = {}
    for group in groups:
        if group.runs[0].about["protocol"] == "subject":
            runs = LabelledRuns.of(group.runs, SETTINGS)
            found = triage(runs, evaluate_parts(runs)).value
            if found is not None and found.unseen is not None:
                counts[group.label] = found.unseen
    return unseen_table(counts)


def is_main(run: Run) -> bool:
    """Tell whether a run is a member of the ensembles as conf/ has it, but for the number of images, of seed 0."""
    about = run.predictions.about
    changed = [text for text in departures([run]) if not text.startswith("trainer.max_images")]
    return about["name"] in MEMBERS and about["seed"] == 0 and not changed


def rows_of_ensembles(runs: Sequence[Run]) -> pd.DataFrame:
    """Return the ensembles of the members that are kept: a row per split and method."""
    rows = []
    kept = list(filter(is_main, runs))
    for (protocol, fold), of_split in groupby(sorted(kept, key=_protocol_and_fold), key=_protocol_and_fold):
        members = list(of_split)
        if len(members) < 2:
            continue
        (ensemble,) = group_members([run.predictions for run in members], [str(run.folder) for run in members])
        aligned = replace(ensemble, members=tuple(align(ensemble.members, ensemble.names, True)))
        for combiner in (average_of(len(members)), fit("genetic", aligned.problem, GeneticConfig(), 0)):
            test = combine(aligned.members, combiner.combine, combiner.method, None).part("test")
            row = {"method": combiner.method, "protocol": protocol, "fold": fold, "members": " ".join(ensemble.labels)}
            for name, mean in seed_means([test], SETTINGS, names=METRICS).metrics.items():
                row |= mean.estimate.columns(name)
            rows.append(row)
    return pd.DataFrame(rows)


def _protocol_and_fold(run: Run) -> tuple[str, int]:
    about = run.predictions.about
    return str(about["protocol"]), int(about["fold"])


def rows_of_heat(runs: Iterable[Run]) -> pd.DataFrame:
    """Return the mean share of the heat inside the cell of all images and of each class, with intervals by person."""
    tables = []
    for run in runs:
        path = run.folder / HEAT
        if path.is_file():
            images = (
                pd.read_parquet(path)
                .merge(run.predictions.frame, on="image_id")
                .astype({"inside": float, "content": float})
            )
            images = images[images["inside"].notna()]
            facts = {fact: run.predictions.about[fact] for fact in FACTS[:5]} | {"images": len(images)}
            for measure, ends in ((heat_of, (0.0, 1.0)), (excess_of, (-1.0, 1.0))):
                means = by_case(partial(_of_rows, measure, images), images["subject"], SETTINGS.confidence, ends)
                tables.append(means.assign(**facts))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _of_rows(
    measure: Callable[[pd.DataFrame], dict[str, float]], images: pd.DataFrame, kept: np.ndarray
) -> dict[str, float]:
    return measure(images[kept])


def heat_of(images: pd.DataFrame) -> dict[str, float]:
    """Return the mean shares of heat and of pixels inside the cell, by class; images without heat are left out."""
    found = {}
    for label, of_class in [("any", images), *images.groupby("label")]:
        for name in ("inside", "content"):
            found[f"{name}, {label}"] = float(of_class[name].mean())
    return found


def excess_of(images: pd.DataFrame) -> dict[str, float]:
    """Return by how much the share of heat is above that of the pixels, on average, by class."""
    excess = images["inside"] - images["content"]
    of_classes = {f"excess, {label}": float(values.mean()) for label, values in excess.groupby(images["label"])}
    return {"excess, any": float(excess.mean()), **of_classes}


def rows_of_missed(runs: Sequence[Run]) -> pd.DataFrame:
    """Return how many images of each class exactly k members of the ensembles miss, on the paper's split."""
    members = [group for group in groups_of(filter(is_main, runs)) if _split(group) == ("paper", "0")]
    return missed_by_class(align_groups(members)) if len(members) > 1 else pd.DataFrame()


def draw_roc(path: Path, runs: Sequence[Run]) -> None:
    """Draw the ROC of the main network of paper 004 under each split that is kept."""
    path.unlink(missing_ok=True)
    curves = {}
    for group in groups_of(filter(is_main, runs)):
        if group.runs[0].about["name"] == FLAGSHIP:
            labelled = LabelledRuns.of(group.runs, SETTINGS)
            curves[group.label] = (evaluate_parts(labelled), score(pool(list(group.runs))))
    if curves:
        rocs(path, curves)


def groups_of(runs: Iterable[Run]) -> list[Group]:
    """Return the folds of each network and configuration together."""
    listed = list(runs)
    return group_runs([run.predictions for run in listed], [str(run.folder) for run in listed])


def write_all(output: Path = OUTPUT, evidence: Path = EVIDENCE) -> None:
    """Write all tables and the picture from the kept predictions."""
    runs = [run for run in Run.find(evidence) if run.predictions.positive_class == "all"]
    groups = groups_of(runs)
    tables = {
        "runs": rows_of_runs(runs),
        "area": rows_of_areas(evidence),
        "networks": rows_of_networks(runs),
        "differences": rows_of_differences(groups),
        "leak": rows_of_leaks(groups),
        "unseen": rows_of_unseen(groups),
        "ensembles": rows_of_ensembles(runs),
        "heat": rows_of_heat(runs),
        "missed": rows_of_missed(runs),
    }
    for name, table in tables.items():
        (output / f"{name}.csv").unlink(missing_ok=True)
        if len(table):
            write_csv(output / f"{name}.csv", table, DIGITS)
        say(f"{name}: {len(table)} rows")
    draw_roc(output / "roc.png", runs)


if __name__ == "__main__":
    write_all()
    write_csv(EVIDENCE.parent / "grades.csv", grade_table(), DIGITS)
