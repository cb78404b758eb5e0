"""What a page says first: what was learnt from, what was tested on, what leaks, and what the result is."""

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import pandas as pd
import yaml

from evaluation.core.warnings import leakage
from evaluation.report.blocks import Row, Table, number, words_of
from evaluation.report.sources import Chapter, Source

PROTOCOLS = {
    "subject": "subject: nobody's images are both learnt from and tested on",
    "image": "image: images are dealt out one by one, so that one person's images may be on both sides",
    "paper": "paper: a publication's own procedure is repeated, with the leaks that it has",
}
PARTS = ("train", "validation", "test", "unused")
FEW_CLASSES = 6
GOOD = "good"
BAD = "bad"
UNKNOWN = "unknown"
PATH = re.compile(r"^([/~\\]|[A-Za-z]:[/\\])")


@dataclass(frozen=True)
class Notice:
    """Something that must not be overlooked.

    Attributes:
        kind: "good", "bad" or "unknown"; said by a sign and a word too.
        title: In a few words.
        lines: What more there is to say.
    """

    kind: str
    title: str
    lines: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Tile:
    """A figure that a reader sees first.

    Attributes:
        label: What it is.
        value: The figure.
        ends: Its interval, or empty.
        note: What it counts, in words.
    """

    label: str
    value: str
    ends: str = ""
    note: str = ""


def tiles(judgement: dict) -> list[Tile]:
    """Say in a few figures what the test images show, called at 0.5 or by the most probable class."""
    test = judgement["test"]
    positive = judgement["positive_class"]
    if not test["images"]:
        return [Tile("labelled test images", "0", note="nothing can be said of how good the model is")]
    metrics = test["metrics"]
    matrix = test["confusion"]
    if test["subjects"] is None:
        people = "subjects unknown"
    else:
        people = f"of {test['subjects']:,} subjects"
    right = sum(row[place] for place, row in enumerate(matrix))
    found = [
        Tile("test images", f"{test['images']:,}", note=people),
        _tile("accuracy", metrics, f"{right:,} of {test['images']:,} images are called rightly"),
    ]
    if positive is None:
        return [*found, _tile("f1_macro", metrics, "every class weighs the same")]
    place = judgement["classes"].index(positive)
    negative = judgement["classes"][1 - place]
    hits = matrix[place][place]
    rejected = matrix[1 - place][1 - place]
    return [
        *found,
        _tile("sensitivity", metrics, f"{hits:,} of {sum(matrix[place]):,} “{positive}” images are found"),
        _tile("specificity", metrics, f"{rejected:,} of {sum(matrix[1 - place]):,} “{negative}” images are called so"),
        _tile("auc", metrics, "0.5 is chance, 1 is perfect"),
    ]


def leak_notice(about: dict) -> Notice:
    """Say whether anything stands on both sides of the split.

    Args:
        about: Facts of a run, or of several pooled.
    """
    lines = [warning.text for warning in leakage(about) if warning.topic == "leak"]
    if about.get("protocol") == "paper":
        said = lines or ["what it counts as a leak was not found here"]
        return Notice(BAD, "protocol = paper: leaks on purpose; these figures flatter the model", said)
    counts = about.get("leaks") or []
    if isinstance(counts, list):
        counts = counts
    else:
        counts = [counts]
    if lines and all(not count for one in counts for key, count in one.items() if key != "near_pairs"):
        return Notice(BAD, "Near-same images on both sides of the split: these figures may flatter the model", lines)
    if lines:
        return Notice(BAD, "Leaks were found: these figures flatter the model", lines)
    if not counts:
        return Notice(UNKNOWN, "Whether the test images leak into the training is not recorded")
    alike = [one.get("near_pairs") for one in counts]
    if None in alike:
        near = "were not looked for"
    else:
        near = "were looked for, and none was found"
    looked = "no subject and no identical file is on both sides of the split"
    return Notice(GOOD, "No leak found", [looked, f"near-same pictures across the split {near}"])


def notices(chapters: list[Chapter]) -> list[tuple[str, Notice]]:
    """Return what must not be overlooked, each with the chapters that it is about; alike ones once."""
    found: list[tuple[list[str], Notice]] = []
    for chapter in chapters:
        about = chapter.judgement["about"]
        of_chapter = [leak_notice(about)]
        if about.get("on"):
            noted = [warning.text for warning in leakage(about) if warning.topic == "another set"]
            of_chapter.insert(0, Notice(UNKNOWN, f"Tested on another data set: {_several(about['on'])}", noted))
        if about.get("synthetic"):
            of_chapter.insert(0, Notice(BAD, "SYNTHETIC: the images were drawn; nothing here is about real ones"))
        for notice in of_chapter:
            same = next((labels for labels, other in found if other == notice), None)
            if same is None:
                found.append(([chapter.label], notice))
            else:
                same.append(chapter.label)
    alone = len(chapters) == 1
    return [("" if alone or len(labels) == len(chapters) else ", ".join(labels), notice) for labels, notice in found]


def about_rows(chapter: Chapter) -> list[tuple[str, str]]:
    """Return the facts of a chapter: data, protocol, folds, classes, seeds, budget."""
    about = chapter.judgement["about"]
    judgement = chapter.judgement
    protocol = str(about.get("protocol"))
    rows = [
        ("experiment", _several(about.get("name"))),
        ("data set", _several(about.get("source")) + (" (SYNTHETIC)" if about.get("synthetic") else "")),
        ("tested on", _several(about["on"]) if about.get("on") else ""),
        ("protocol", PROTOCOLS.get(protocol, _several(about.get("protocol")))),
        ("fold", _folds(about)),
        ("classes", ", ".join(judgement["classes"])),
        ("positive class", judgement["positive_class"] or ""),
        ("seed", _several(about.get("seed"))),
        ("members", f"{_several(about['ensemble'])} models" if about.get("ensemble") else ""),
        ("starting weights", ", ".join(map(last_part, _listed(about.get("weights"))))),
        ("training", _training(about)),
    ]
    return [(name, value) for name, value in rows if value]


def parts_table(chapter: Chapter) -> Table:
    """Count images, subjects and classes of each part, of each fold."""
    classes = chapter.judgement["classes"]
    few = len(classes) <= FEW_CLASSES
    if few:
        heads = classes
    else:
        heads = ["smallest class", "largest class"]
    rows = []
    for source in chapter.sources:
        if len(source.split):
            frame = source.split
        else:
            frame = source.predictions.frame
        if len(chapter.sources) > 1:
            fold = f", fold {source.predictions.about.get('fold')}"
        else:
            fold = ""
        for part in PARTS:
            images = frame[frame["part"] == part]
            if len(images):
                rows.append(Row(part + fold, _part_cells(images, classes, few)))
    lacking = any(not len(source.split) for source in chapter.sources)
    if lacking:
        note = " The training part is not recorded in this folder."
    else:
        note = ""
    return Table(
        "Images of each part",
        "The model learns from train, chooses when to stop and where to cut on validation and is judged on test."
        + note,
        ["part", "images", "subjects", *heads],
        rows,
    )


def provenance(source: Source, shown_paths: bool) -> dict[str, str]:
    """Say what a run was made with: code, versions, data notes.

    Args:
        source: The run.
        shown_paths: Whether folders are shown whole.
    """
    environment = source.facts("environment.json")
    data = source.facts("data.json")
    packages = environment.get("packages") or {}
    rows = {
        "folder": str(source.folder) if shown_paths else "/".join(source.folder.resolve().parts[-3:]),
        "revision of the code": ", ".join(
            environment.get("revisions") or _listed(source.predictions.about.get("revision"))
        ),
        "Python": environment.get("python") or "",
        "packages": ", ".join(f"{name} {version}" for name, version in packages.items()),
        "data": "; ".join(note if shown_paths else _without_files(note) for note in data.get("notes") or ()),
    }
    return {name: value for name, value in rows.items() if value}


def config_text(source: Source, shown_paths: bool) -> str:
    """Write the configuration as YAML, folders shortened to their last part unless ``shown_paths``."""
    if shown_paths:
        shown = source.config
    else:
        shown = _shortened(source.config)
    if shown:
        return yaml.safe_dump(shown, sort_keys=False, allow_unicode=True)
    return ""


def _tile(metric: str, metrics: dict[str, dict], note: str) -> Tile:
    found = metrics[metric]
    if found["low"] is None:
        ends = ""
    else:
        ends = f"{found['low']:.3f} to {found['high']:.3f}"
    return Tile(words_of(metric, [], None)[0], number(found["value"]), ends, note)


def _part_cells(images: pd.DataFrame, classes: list[str], few: bool) -> list[str]:
    counts = [int((images["label"] == name).sum()) for name in classes]
    # split.csv has empty text where the predictions have none.
    known = images["subject"].replace("", pd.NA).dropna()
    if len(known):
        subjects = f"{known.nunique():,}"
    else:
        subjects = "unknown"
    return [f"{len(images):,}", subjects, *(f"{count:,}" for count in (counts if few else (min(counts), max(counts))))]


def _training(about: dict) -> str:
    if about.get("images_seen") is None:
        return ""
    seconds = about.get("wall_seconds")
    return f"{about['images_seen']:,} images seen" + ("" if seconds is None else f" in {_time(seconds)}")


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _folds(about: dict) -> str:
    if about.get("fold") is None:
        return ""
    folds = about.get("folds")
    return _several(about["fold"]) + (f" of {folds} (counted from 0)" if isinstance(folds, int) else "")


def _listed(value: object) -> list[str]:
    if isinstance(value, list):
        values = value
    else:
        values = [value]
    return [str(one) for one in values if one is not None]


def _several(value: object) -> str:
    return ", ".join(_listed(value))


def last_part(path: str, parts: int = 1) -> str:
    """Return the last parts of a path: the first ones name people and machines."""
    return "/".join(PurePosixPath(path.replace("\\", "/")).parts[-parts:]) or path


def _shortened(value: object) -> object:
    """Return a configuration whose absolute paths are cut to their last part: they name people and machines."""
    if isinstance(value, dict):
        return {key: _shortened(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_shortened(one) for one in value]
    if isinstance(value, str) and PATH.match(value):
        return f"…/{last_part(value)}"
    return value


def nameless(line: str) -> str:
    """Leave out the example that a line gives, as in "3 images differ, anna_1.bmp first: ...": it names a person."""
    return re.sub(r", (?:(?!, ).)*? first(?=[,:;.]|$)", "", line)


def _without_files(note: str) -> str:
    """Leave out the names of broken files: they may name a person."""
    return re.sub(r"(broken images? skipped):.*", r"\1", note)
