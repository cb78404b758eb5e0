"""What a page says first: what was learnt from, what was tested on, what leaks, and what the result is."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import PureWindowsPath

import pandas as pd

from karyocyte.common.paths import without_machine
from karyocyte.common.text import quoted
from karyocyte.evaluation.metrics.classification import headline_metric
from karyocyte.evaluation.tables.tables import metric_name
from karyocyte.evaluation.types.formats import ends, joined, listed, number
from karyocyte.evaluation.types.result import EvaluationResult, Interval, Kind
from karyocyte.evaluation.types.table import Cell, Table
from karyocyte.runs.files import RunFile
from karyocyte.runs.run import Run
from karyocyte.workflows.report.sources import Chapter

PROTOCOLS = {
    "subject": "subject: nobody's images are both learnt from and tested on",
    "image": "image: images are dealt out one by one, so that one person's images may be on both sides",
    "paper": "paper: a publication's own procedure is repeated, with the leaks that it has",
}
PARTS = ("train", "validation", "test", "unused")
RULES = {"area alone": "a simple rule on size", "all numbers": "a simple rule on brightness and size"}
FEW_CLASSES = 6
ANOTHER_SET = "another set"  # topic of the notes of an external validation
FACTS = {"experiment": "name", "data set": "source", "tested on": "on", "protocol": "protocol", "fold": "fold"}
FACTS |= {"seed": "seed"}


@dataclass
class Notice:
    """Something "good", "bad" or "unknown" that must not be overlooked: details, and the chapters that it is about."""

    kind: str
    title: str
    lines: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)


def diagnosis(result: EvaluationResult) -> str:
    """Say in a sentence how good the model is, beside chance or the best of the baselines, and what is weakest."""
    if not result.test.images:
        return "No labelled image was tested: nothing can be said of how good the model is."
    name = headline_metric(result.positive_class)
    words, measured = metric_name(name, result).words, result.metrics[name]
    if measured.value is None:
        return f"The {words} is undefined: a class has no test image."
    by, least = _rival(result, name)
    interval, rival = ends(measured.low, measured.high), f"{RULES.get(by, by)} ({number(least)})"
    lines = [f"The {words} is {number(measured.value)} ({interval}), {_verdict(measured, least)} {rival}"]
    recalls = pd.Series({each: result.metrics[f"recall/{each}"].value for each in result.classes}, dtype=float)
    if recalls.notna().any():
        lines.append(_least_recognised(recalls.dropna()))
    if any(warning.topic == "training" for warning in result.warnings):
        lines.append("a later stage of the training is worse than an earlier one")
    return "; ".join(lines) + "."


def _least_recognised(recalls: pd.Series) -> str:
    """Name the class with the lowest recall, or all classes that have it as it is written."""
    written = recalls.map(number)
    least = [quoted(str(name)) for name in recalls.index[written == number(recalls.min())]]
    value = number(recalls.min())
    if len(least) == 1:
        return f"the class that is recognised least is {least[0]} ({value})"
    if len(least) == len(recalls):
        return f"all classes are recognised equally often ({value})"
    return f"the classes that are recognised least are {', '.join(least)} ({value})"


def _verdict(measured: Interval, least: float) -> str:
    """Compare a value with its rival's by the interval: the value alone may be higher or lower by chance.

    What is written alike is a tie, too.
    """
    if measured.low is None or measured.high is None or number(measured.value) == number(least):
        return "a tie with"
    if measured.low > least:
        return "better than"
    return "worse than" if measured.high < least else "a tie with"


def _rival(result: EvaluationResult, metric: str) -> tuple[str, float]:
    """Return what a model has to beat, chance or the best of the baselines, and how good that is."""
    rivals = {"chance": 0.5 if metric == "auc" else max(result.test.class_counts.values()) / result.test.images}
    rivals |= {name: metrics[metric].value or 0.0 for name, metrics in result.sections(Kind.BASELINE).items()}
    return max(rivals.items(), key=itemgetter(1))


def _leak_notice(result: EvaluationResult) -> Notice:
    lines = _texts(result, "leak")
    if result.about.get("protocol") == "paper":
        title = "protocol = paper: leaks on purpose; these figures flatter the model"
        return Notice("bad", title, lines or ["what it counts as a leak was not found here"])
    counts = pd.DataFrame(listed(result.about.get("leaks")))
    if lines:
        title = "Leaks were found: these figures flatter the model"
        # Near-duplicates may be two cells that look alike, so they prove less than a subject or a file on both sides.
        if not counts.drop(columns="near_pairs", errors="ignore").fillna(0).to_numpy().any():
            title = "Near-duplicates on both sides of the split: these figures may flatter the model"
        return Notice("bad", title, lines)
    if counts.empty:
        return Notice("unknown", "Whether the test images leak into the training is not recorded")
    if result.test.subjects is None:
        unknown = "the data name no subjects: one person's images may be on both sides"
        title = "No identical images on both sides of the split; persons are not known"
        return Notice("unknown", title, [unknown])
    both = "no subject and no identical file is on both sides of the split"
    if "near_pairs" not in counts or counts["near_pairs"].isna().any():
        lines = [both, "near-duplicates across the split were not looked for (split.near_duplicates=off)"]
        return Notice("unknown", "No leak found, but near-duplicates were not looked for", lines)
    return Notice("good", "No leak found", [both, "near-duplicates were looked for, and none was found"])


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
        for notice in (*of_chapter, _leak_notice(chapter.result)):
            unlike.setdefault((notice.title, *notice.lines), notice).labels.append(chapter.group.label)
    return list(unlike.values())


def about_rows(chapter: Chapter) -> dict[str, str]:
    """Return the facts of a chapter: data, protocol, folds, classes, seeds."""
    about = chapter.result.about
    rows = {name: joined(about.get(key)) for name, key in FACTS.items()}
    if about.get("synthetic"):
        rows["data set"] += " (SYNTHETIC)"
    rows["protocol"] = PROTOCOLS.get(rows["protocol"], rows["protocol"])
    if rows["fold"] and isinstance(about.get("folds"), int):
        rows["fold"] += f" of {about['folds']} (counted from 0)"
    members: dict[str, None] = {}
    for run in chapter.runs:
        if run.is_ensemble:
            members |= dict.fromkeys(run.ensemble.labels)
    rows["members"] = ", ".join(members)
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


def provenance(run: Run) -> dict[str, str]:
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


def _filled(facts: dict[str, str]) -> dict[str, str]:
    return {name: fact for name, fact in facts.items() if fact}


def _texts(result: EvaluationResult, topic: str) -> list[str]:
    return [warning.text for warning in result.warnings if warning.topic == topic]
