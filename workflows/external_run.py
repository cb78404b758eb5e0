"""A run's model on another data set, and the folder that this leaves: one like a run's."""

import shutil
import sys
from dataclasses import dataclass
from os.path import relpath
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from common.cli import console, warn
from common.config.schema import Config, EvaluationConfig
from common.errors import UserError
from common.files import write_csv, write_json, write_text
from common.predictions import Predictions, read_predictions, write_predictions
from common.revision import environment, revision
from common.runs.lifecycle import other_revisions
from common.runs.run import read_status, write_status
from datamodules.inference.external_datamodule import (
    LEARNED,
    Known,
    OtherSet,
    joined_split,
    known_images,
    near_same,
    parts_of,
)
from datamodules.io.progress import LONG
from datamodules.manifest.leakage import LeakReport
from datamodules.manifest.manifest import Manifest, content_hash
from evaluation.comparison.class_mapping import map_classes
from evaluation.core.warnings import leakage
from evaluation.error_analysis.examples import galleries, write_thumbnails
from evaluation.evaluate import write_judgement
from lightning_modules.inference import predict, to_predictions
from lightning_modules.load import TrainedRun, load_run

KEYS = ("data", "data_dir", "cache_dir")  # of the configuration: what names a data set


@dataclass(frozen=True)
class Other:
    """Another data set.

    Attributes:
        name: That of its folder, or of its source.
        scanned: Its images, labelled in its own words.
        config: Its ``data``, ``data_dir`` and ``cache_dir``.
        said: What ``class_map.parse_map`` read.
        unlabelled: Whether images without label are judged too.
    """

    name: str
    scanned: Manifest
    config: Config
    said: dict[str, str | None]
    unlabelled: bool


@dataclass(frozen=True)
class Outside:
    """A run on another data set.

    Attributes:
        run: The run.
        folder: Where the result goes; None where it goes nowhere.
        data: The images that were judged.
        predictions: The run's own validation rows, and those of the other set as the part "test".
        known: What the run knows of images.
        leaks: Near-same pictures.
    """

    run: TrainedRun
    folder: Path | None
    data: OtherSet
    predictions: Predictions
    known: Known
    leaks: LeakReport


def judge_outside(run: Path, folder: Path | None, other: Other) -> Outside:
    """Let a run's model judge another set, prepared and inferred as its own images were.

    Images that the run, or one that it started from, was trained or chosen on are left out.

    Raises:
        UserError: The classes do not fit, every image is left out, or an image cannot be prepared so.
    """
    trained = load_run(run)
    warn(*other_revisions(run))
    scanned = other.scanned
    theirs = [name if isinstance(name, str) else None for name in scanned.frame["label"]]
    classes = map_classes([name for name in scanned.classes if name in theirs], trained.classes, other.said)
    labels = [None if name is None else classes[name] for name in theirs]
    known = known_images(run, trained.config.init_from)
    seen = known.part_of(scanned.frame["sha256"])
    parts = parts_of(labels, seen, other.unlabelled)
    if not (parts == "test").any():
        raise UserError(f"{run} was trained or chosen on every image of {other.name} that has a class: nothing is left")
    config = _config_of(trained.config, other, int((parts == "test").sum()))
    data = OtherSet(config, scanned, labels, parts, trained.classes, trained.positive_class, console.is_terminal)
    judged = data.manifest.frame[parts == "test"]
    leaks, why = near_same(known, judged, trained.config, console.is_terminal)
    data.prepare_data()
    predicted = predict(trained.classifier, data, config)
    own = read_predictions(run)
    facts = _facts(trained, own, other, classes, labels, seen, parts) | {"notes": _notes(known, judged, seen, why)}
    about = _about(own.about, folder or run, other, facts, leaks)
    outside = to_predictions(predicted, data.manifest.frame, parts, trained.classes, trained.positive_class, about)
    return Outside(trained, folder, data, beside_validation(own, outside), known, leaks)


def beside_validation(own: Predictions, outside: Predictions) -> Predictions:
    """Put a run's own validation rows beside those of another set: they choose threshold, temperature and release.

    A validation image that is called like one of the other set is renamed.
    """
    validation = own.part("validation").frame
    test = outside.frame
    taken = set(test["image_id"])
    names = []
    for name in validation["image_id"]:
        while name in taken:
            name += " (validation)"
        names.append(name)
    frame = pd.concat([validation.assign(image_id=names), test], ignore_index=True)
    return Predictions(frame[list(test.columns)], outside.classes, outside.positive_class, outside.about)


def write_folder(one: Outside, settings: EvaluationConfig) -> dict:
    """Write what a run's folder has, as far as nothing of it is about training; return the judgement.

    ``config.yaml`` is the run's with the data of the other set; ``split.csv`` holds the images of the other set and
    those that the run learned from; ``predictions.parquet`` has the run's validation rows.
    """
    folder = one.folder
    data = one.data
    test = one.predictions.part("test")
    write_predictions(folder / "predictions.parquet", one.predictions)
    judgement = write_judgement(folder, one.predictions, None, settings)
    rows = np.flatnonzero(data.parts.to_numpy() == "test")
    if (test.labels >= 0).any():
        galleries(folder, test, data.images, rows)
    write_thumbnails(folder, test, data.images, rows, one.run.config.evaluation.thumbnails)
    config = data.config.model_copy(update={"trainer": one.run.config.trainer, "evaluation": settings})
    write_text(folder / "config.yaml", yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
    write_csv(folder / "split.csv", joined_split(data, one.known))
    write_json(folder / "leaks.json", one.leaks.as_dict())
    if one.leaks.near_count:
        one.leaks.write_pairs(folder / "near_duplicates.csv")
    about = one.predictions.about
    facts = {key: about[key] for key in ("source", "on", "synthetic", "folds", "leaks", "external")}
    classes = {"classes": list(one.run.classes), "positive_class": one.run.positive_class}
    write_json(folder / "data.json", {**facts, **classes, "notes": list(data.scanned.notes)})
    return judgement


def finish(one: Outside) -> None:
    """Make the folder that of a finished run, whose best weights lie where they were."""
    run = one.run.folder
    about = one.predictions.about
    shutil.copyfile(run / "model.json", one.folder / "model.json")
    made_with = [*dict.fromkeys([about["external"]["trained_with"] or "unknown", revision()])]
    write_json(one.folder / "environment.json", {**environment(sys.argv), "revisions": made_with})
    costs = {key: about.get(key) for key in ("images_seen", "wall_seconds")}
    best = relpath((run / read_status(run)["best"]).resolve(), one.folder.resolve())
    write_status(one.folder, "finished", best=best, tested=str(run), **costs)


def _config_of(own: Config, other: Other, images: int) -> Config:
    """The run's configuration with the images of the other set, on whatever machine this is."""
    shown = console.is_terminal or images >= LONG
    trainer = own.trainer.model_copy(update={"accelerator": "auto", "enable_progress_bar": shown})
    places = {key: getattr(other.config, key) for key in KEYS}
    # Nothing of the other set is copied before a split, as protocol=paper does with some sources.
    if own.protocol == "paper":
        protocol = "image"
    else:
        protocol = own.protocol
    return own.model_copy(update={**places, "trainer": trainer, "protocol": protocol})


def _facts(  # noqa: PLR0913
    run: TrainedRun,
    own: Predictions,
    other: Other,
    classes: dict[str, str | None],
    labels: list[str | None],
    seen: pd.Series,
    parts: pd.Series,
) -> dict[str, Any]:
    """What was judged, and what was left out and why."""
    named = other.scanned.frame["label"]
    known = pd.Series([label is not None for label in labels], parts.index)
    return {
        "name": other.name,
        "source": other.scanned.source,
        "data": content_hash(other.scanned)[:8],
        "images": len(parts),
        "tested": int((parts == "test").sum()),
        "classes": classes,
        "left_out": {
            "unlabelled": 0 if other.unlabelled else int(named.isna().sum()),
            "classes": {name: int((named == name).sum()) for name, own in classes.items() if own is None},
            **{part: int((known & (seen == part)).sum()) for part in LEARNED},
        },
        "in_own_test": int(((seen == "test") & (parts == "test")).sum()),
        "trained": str(run.folder),
        "trained_with": own.about.get("revision"),
        "leaks_within": own.about.get("leaks"),
    }


def _notes(known: Known, judged: pd.DataFrame, seen: pd.Series, why: str | None) -> list[str]:
    """What a reader must know of how far the other set is another one."""
    notes = [
        f"{count:,} of its images are of the run's {part} part and are left out"
        for part in LEARNED
        if (count := int((seen == part).sum()))
    ]
    again = int((seen[judged.index] == "test").sum())
    namesakes = known.namesakes(judged["subject"])
    if again:
        notes.append(f"{again:,} of the images are of the run's own test part: they are not new")
    if namesakes:
        who = f"{len(namesakes):,} subjects, {namesakes[0]} first, are called like ones that the run learned from"
        notes.append(f"{who}: if they are the same, this is no external validation")
    if known.lost:
        notes.append(f"what {known.lost[0]}, which the run started from, was trained on cannot be looked up")
    return notes + ([f"near-same pictures were not looked for: {why}"] if why else [])


def _about(own: dict, folder: Path, other: Other, facts: dict[str, Any], leaks: LeakReport) -> dict[str, Any]:
    found = leakage({"leaks": own.get("leaks")})
    within = [f"within the set that it learned from, {line.removeprefix('leak: ')}" for line in found]
    if other.name == other.scanned.source:
        source = ""
    else:
        source = f"{other.scanned.source}, "
    return {
        **own,
        "run": str(folder),
        "on": f"{other.name} ({source}{facts['images']:,} images)",
        "test": None,
        "synthetic": bool(own.get("synthetic")) or other.scanned.synthetic,
        "leaks": {**leaks.counts(), "seen_by_start": 0},
        "external": {**facts, "notes": facts["notes"] + within},
        "revision": revision(),
    }
