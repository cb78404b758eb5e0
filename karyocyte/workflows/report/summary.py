"""What a page says first: what was learnt from, what was tested on, what leaks, and what else limits the result."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import PureWindowsPath

import pandas as pd

from karyocyte.common.errors import UserError
from karyocyte.common.paths import ROOT, without_machine
from karyocyte.common.text import metric_in_words
from karyocyte.evaluation.pages.blocks import Facts
from karyocyte.evaluation.plots.plots import best_rows
from karyocyte.evaluation.pooling.labelled_runs import evaluation_settings
from karyocyte.evaluation.types.formats import joined, listed
from karyocyte.evaluation.types.result import TEST, EvaluationResult
from karyocyte.evaluation.types.table import Cell, Table
from karyocyte.evaluation.types.warnings import PROTOCOLS
from karyocyte.runs.ensemble import member_folders
from karyocyte.runs.files import RunFile
from karyocyte.runs.predictions import VALIDATION, needed_images
from karyocyte.runs.run import Run
from karyocyte.workflows.report.sources import Chapter

PARTS = ("train", "validation", "test", "unused")
FEW_CLASSES = 6
# Topics of the notices; "another set" is an external validation.
LEAK, ANOTHER_SET, REFERRAL = "leak", "another set", "referral"
OF_ALL = ("training", "data", TEST, "")  # topics of warnings about all test images
GLOSSARY = ROOT / "docs" / "reference" / "glossary.md"
TERMS = """AUC, balanced accuracy, calibration, ensemble, fold, interval, leak, positive class, protocol, referral,
    seed, stage, subject, temperature, threshold, weighted F1"""
FACTS = {"experiment": "name", "data set": "source", "tested on": "on", "protocol": "protocol", "fold": "fold"}
FACTS |= {"seed": "seed"}


@dataclass
class Notice:
    """Something "good", "bad" or "unknown" that must not be overlooked: details, and the chapters that it is about."""

    kind: str
    title: str
    lines: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)


def _leak_notice(result: EvaluationResult) -> Notice:
    lines = _texts(result, LEAK)
    if "paper" in listed(result.about.get("protocol")):
        title = "protocol = paper: leaks on purpose; these figures flatter the model"
        return Notice("bad", title, lines or ["what it counts as a leak was not found here"])
    leaks = result.about.get("leaks")  # of an ensemble or several folds a list where they differ
    counts = pd.DataFrame(listed(leaks))
    if lines:
        title = "Leaks were found: these figures flatter the model"
        # Near-duplicates may be two cells that look alike, so they prove less than a subject or a file on both sides.
        if not counts.drop(columns="near_pairs", errors="ignore").fillna(0).to_numpy().any():
            title = "Near-duplicates on both sides of the split: these figures may flatter the model"
        return Notice("bad", title, lines)
    if counts.empty or (isinstance(leaks, list) and None in leaks):
        return Notice("unknown", "Whether the test images leak into the training is not recorded")
    return _no_leak_notice(result, counts)


def _no_leak_notice(result: EvaluationResult, counts: pd.DataFrame) -> Notice:
    """Say what was looked for where nothing was found; ``counts`` has a row for each member or fold."""
    if result.test.subjects is None:
        unknown = "the data name no subjects: one person's images may be on both sides"
        title = "No identical images on both sides of the split; persons are not known"
        return Notice("unknown", title, [unknown])
    both = "no subject and no identical file is on both sides of the split"
    if "near_pairs" not in counts or counts["near_pairs"].isna().any():
        lines = [both, "near-duplicates across the split were not looked for (split.near_duplicates=off)"]
        return Notice("unknown", "No leak found, but near-duplicates were not looked for", lines)
    return Notice("good", "No leak found", [both, "near-duplicates were looked for, and none was found"])


def _training_notices(chapter: Chapter) -> list[Notice]:
    """Say that a training was short, and that there is a single one."""
    about = chapter.result.about
    titles: dict[str, list[str]] = {}
    trainings = chain.from_iterable(map(_trainings, chapter.runs))
    if lines := list(dict.fromkeys(chain.from_iterable(map(_shortness, trainings)))):
        titles["Small budget: a longer training may be better"] = lines
    if len(seeds := listed(about.get("seed"))) == 1 and not about.get("ensemble"):
        titles[f"One seed ({seeds[0]}): how far figures vary from training to training is not known"] = []
    return [Notice("unknown", title, lines) for title, lines in titles.items()]


def _trainings(run: Run) -> list[Run]:
    """Return the runs that were trained: of an ensemble its members, where they have not changed."""
    if not run.is_ensemble:
        return [run]
    try:
        return list(map(Run, member_folders(run.folder, run.ensemble)))
    except UserError:  # they were moved: their trainings are not known here
        return []


def _shortness(run: Run) -> list[str]:
    """Say by which limit a training ended early, and whether its last epoch was its best."""
    trainer, callbacks = (run.raw_config.get(section) or {} for section in ("trainer", "callbacks"))
    lines = []
    if most := trainer.get("max_images"):
        lines.append(f"about {most:,} images were seen in each stage at most (trainer.max_images, whole batches)")
    history, monitor = run.history, callbacks.get("monitor", "val/loss")
    if len(history) and len(history) - 1 in best_rows(history, monitor):
        stage = history["stage"].iloc[-1]
        best = f"its best validation {metric_in_words(monitor)}"
        lines.append(f"stage {stage} had {best} in its last epoch, {history['epoch'].iloc[-1] + 1}")
    return lines


def _notices_of_new_images(result: EvaluationResult) -> list[Notice]:
    """Say that all new images are referred to a person, and that those of another kind are not noticed."""
    notices = []
    if lines := _texts(result, REFERRAL):
        notices.append(Notice("unknown", "All new images are referred to a person", lines))
    needed = needed_images(evaluation_settings(result.settings).out_of_distribution)
    images = min((cut.images for cut in result.referral or ()), default=0)
    if images < needed:
        lines = [f"images out of distribution are marked from {needed:,} validation images on; here are {images:,}"]
        notices.append(Notice("unknown", "New images of none of the classes are not noticed", lines))
    return notices


def limits(result: EvaluationResult, of_all: bool) -> list[str]:
    """Return the warnings about all test images, or those of single sections, that no notice has."""
    if of_all:
        return [warning.text for warning in result.warnings if warning.topic in OF_ALL]
    others = (*OF_ALL, LEAK, ANOTHER_SET, REFERRAL, VALIDATION)
    return [str(warning) for warning in result.warnings if warning.topic not in others]


def terms() -> Facts:
    """Return what the handbook's glossary says of the terms of a report, which may be read without the handbook."""
    plain = re.sub(r"`|\[(.+?)\]\(.*?\)", r"\1", GLOSSARY.read_text(encoding="utf-8"))  # without Markdown
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", plain, re.MULTILINE)
    return {term: meaning for term, meaning in rows if term in re.split(r",\s+", TERMS)}


def notices(chapters: Sequence[Chapter]) -> list[Notice]:
    """Return what must not be overlooked, alike ones once."""
    unlike: dict[tuple[str, ...], Notice] = {}
    for chapter in chapters:
        about = chapter.result.about
        of_chapter = []
        if about.get("synthetic"):
            of_chapter.append(Notice("bad", "SYNTHETIC images: nothing here is about real ones"))
        if about.get("on"):
            lines = _texts(chapter.result, ANOTHER_SET)
            of_chapter.append(Notice("unknown", f"Tested on another data set: {joined(about['on'])}", lines))
        of_chapter += [_leak_notice(chapter.result), *_training_notices(chapter)]
        for notice in (*of_chapter, *_notices_of_new_images(chapter.result)):
            unlike.setdefault((notice.title, *notice.lines), notice).labels.append(chapter.group.label)
    return list(unlike.values())


def about_rows(chapter: Chapter) -> Facts:
    """Return the facts of a chapter: data, protocol, folds, classes, seeds."""
    about = chapter.result.about
    rows = {name: joined(about.get(key)) for name, key in FACTS.items()}
    if about.get("synthetic"):
        rows["data set"] += " (SYNTHETIC)"
    if rows["protocol"] in PROTOCOLS:
        rows["protocol"] += f": {PROTOCOLS[rows['protocol']]}"
    if rows["fold"] and isinstance(about.get("folds"), int):
        rows["fold"] += f" of {about['folds']} (counted from 0)"
    members = chain.from_iterable(run.ensemble.labels for run in chapter.runs if run.is_ensemble)
    rows["members"] = ", ".join(dict.fromkeys(members))
    rows["classes"] = ", ".join(chapter.result.classes)
    # Of a path, of whatever machine, the name of the file alone: folders name people.
    rows["starting weights"] = ", ".join(PureWindowsPath(weights).name for weights in listed(about.get("weights")))
    return _filled(rows)


def part_counts_table(chapter: Chapter) -> Table:
    """Count images, subjects and classes of each part, of each fold."""
    reading = (
        "The model learns from train, chooses when to stop and where to cut on validation and is evaluated on test."
    )
    rows = []
    for run in chapter.runs:
        # Predictions lack the images that were trained on.
        frame = run.split if run.has(RunFile.SPLIT) else run.predictions.frame
        for part in [part for part in PARTS if part in set(frame["part"])]:
            images = frame[frame["part"] == part]
            row: dict[str, Cell] = {"part": part + chapter.fold_of(run, ", "), "images": len(images)}
            row["subjects"] = images["subject"].nunique() or None
            counts = images["label"].value_counts().reindex(chapter.result.classes, fill_value=0)
            if len(counts) > FEW_CLASSES:
                counts = counts.agg({"smallest class": "min", "largest class": "max"})
            rows.append(row | counts.to_dict())
    if not chapter.runs[-1].has(RunFile.SPLIT):
        reading += " The training part is not recorded in this folder."
    return Table.of("Images of each part", rows, reading)


def provenance(run: Run) -> Facts:
    """Return what a run was made with: code, versions, remarks on the data; folders are shortened."""
    packages: dict[str, str] = run.environment.get("packages") or {}
    notes = run.data.notes if run.has(RunFile.DATA) else ()
    rows = {
        "folder": without_machine(run.folder.resolve()),
        "revision of the code": ", ".join(run.revisions or listed(run.predictions.about.get("revision"))),
        "Python": run.environment.get("python") or "",
        "packages": ", ".join(map(" ".join, packages.items())),
        "data": "; ".join(notes),
    }
    return _filled(rows)


def _filled(facts: Facts) -> Facts:
    return {name: fact for name, fact in facts.items() if fact}


def _texts(result: EvaluationResult, topic: str) -> list[str]:
    return [warning.text for warning in result.warnings if warning.topic == topic]
