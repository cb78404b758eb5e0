"""A run's predictions of another data set, and the folder that they are written to: one like a run's."""

import shutil
import sys
from dataclasses import dataclass, replace
from os.path import relpath
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common.cli import console, warn
from common.config.schema import Config, EvaluationConfig
from common.errors import UserError
from common.predictions import Predictions
from common.revision import environment, revision
from common.runs.files import RunFile
from common.runs.lifecycle import other_revisions
from common.runs.run import DataFacts, Run
from datamodules.inference.external_datamodule import (
    LEARNED,
    ExternalDataModule,
    SeenImages,
    assign_parts,
    find_near_duplicates,
    read_seen_images,
)
from datamodules.io.progress import LONG
from datamodules.manifest.leakage import LeakReport
from datamodules.manifest.manifest import Manifest, content_hash
from datamodules.manifest.splits import TEST
from evaluation.comparison.class_mapping import map_classes
from evaluation.core.warnings import leakage
from evaluation.error_analysis.examples import galleries, write_thumbnails
from evaluation.evaluate import write_evaluation
from evaluation.result import EvaluationResult
from lightning_modules.inference import predict, to_predictions
from lightning_modules.load import TrainedRun, load_run
from workflows.external_request import KEYS


@dataclass(frozen=True)
class ExternalDataset:
    """Another data set.

    Attributes:
        name: The name of its folder, or of its source.
        scanned: Its images under its own labels.
        config: Its ``data``, ``data_dir`` and ``cache_dir``.
        class_map: The result of ``class_mapping.parse_map``.
        unlabelled: Whether images without label are predicted too.
    """

    name: str
    scanned: Manifest
    config: Config
    class_map: dict[str, str | None]
    unlabelled: bool


@dataclass(frozen=True)
class Selection:
    """The images of another data set that a run predicts.

    Attributes:
        classes: The run's class of each class of the data set; None where its images are left out.
        labels: The run's class of each image; None without one.
        seen: The part of the run that holds each image; None for new images.
        parts: "test" for the images to predict, else "unused".
    """

    classes: dict[str, str | None]
    labels: pd.Series
    seen: pd.Series
    parts: pd.Series

    @property
    def tested(self) -> pd.Series:
        """Whether an image is predicted, bool."""
        return self.parts == TEST


@dataclass(frozen=True)
class ExternalPredictions:
    """A run's predictions of another data set.

    Attributes:
        run: The run.
        data: The images.
        predictions: The run's own validation rows, and those of the data set as the part "test".
        seen: The images that the run has seen.
        leaks: Near-duplicates of images that the run learned from.
    """

    run: Run
    data: ExternalDataModule
    predictions: Predictions
    seen: SeenImages
    leaks: LeakReport


def predict_external(run: Run, folder: Path, dataset: ExternalDataset) -> ExternalPredictions:
    """Predict another data set by a run, prepared like the run's own images.

    Images that the run, or one that it started from, was trained or validated on are left out.

    Args:
        run: The run.
        folder: The folder that the predictions name as theirs.
        dataset: The data set.

    Raises:
        UserError: The classes do not fit, no image is left, or an image cannot be prepared.
    """
    trained = load_run(run.folder)
    warn(*other_revisions(run.folder))
    seen = read_seen_images(run, trained.config.init_from)
    selection = select_images(dataset, trained, seen)
    images = int(selection.tested.sum())
    if not images:
        raise UserError(f"{run.folder} was trained or validated on every image of {dataset.name} that has a class")
    config = _inference_config(trained.config, dataset, images)
    frame = dataset.scanned.frame.assign(label=selection.labels)
    manifest = replace(dataset.scanned, frame=frame, classes=trained.classes, positive_class=trained.positive_class)
    data = ExternalDataModule(config, dataset.scanned, manifest, selection.parts, console.is_terminal)
    tested = frame[selection.tested]
    leaks, reason = find_near_duplicates(seen, tested, trained.config, console.is_terminal)
    predicted = predict(trained.classifier, data, config)
    assert predicted is not None  # there is one process
    facts = _facts(run, dataset, selection)
    facts["namesakes"] = list(seen.namesakes(tested["subject"]))
    facts["notes"] = _notes(seen, selection, len(facts["namesakes"]), reason) + _notes_of_own_leaks(run)
    about = _about(run, folder, dataset, facts, leaks)
    predictions = to_predictions(predicted, frame, selection.parts, trained.classes, trained.positive_class, about)
    return ExternalPredictions(run, data, join_validation(run.predictions, predictions), seen, leaks)


def select_images(dataset: ExternalDataset, run: TrainedRun, seen: SeenImages) -> Selection:
    """Select the images that the run predicts, and translate their labels into its classes.

    Raises:
        UserError: See ``class_mapping.map_classes``.
    """
    frame = dataset.scanned.frame
    present = set(frame["label"].dropna())
    classes = map_classes([name for name in dataset.scanned.classes if name in present], run.classes, dataset.class_map)
    labels = [classes.get(name) if isinstance(name, str) else None for name in frame["label"]]
    labels = pd.Series(labels, frame.index, dtype=object)
    parts_seen = seen.part_of(frame["sha256"])
    return Selection(classes, labels, parts_seen, assign_parts(labels, parts_seen, dataset.unlabelled))


def join_validation(own: Predictions, external: Predictions) -> Predictions:
    """Add a run's own validation rows to those of another data set: they choose threshold, temperature and release.

    Validation images that have the id of an external image are renamed.
    """
    validation = own.part("validation").frame
    test = external.frame
    taken = set(test["image_id"])
    names = []
    for name in validation["image_id"]:
        while name in taken:
            name += " (validation)"
        names.append(name)
    frame = pd.concat([validation.assign(image_id=names), test], ignore_index=True)
    return replace(external, frame=frame[list(test.columns)])


def write_folder(result: ExternalPredictions, folder: Path, settings: EvaluationConfig) -> EvaluationResult:
    """Write the files of a run's folder, as far as they are not about training; return the evaluation.

    ``config.yaml`` is the run's with the data of the other set; ``split.csv`` holds the images of the other set and
    those that the run learned from; ``predictions.parquet`` has the run's validation rows.
    """
    run = Run(folder)
    own = result.run
    data = result.data
    test = result.predictions.part("test")
    run.write_predictions(result.predictions)
    evaluation = write_evaluation(folder, result.predictions, None, settings)
    rows = np.flatnonzero(data.parts.to_numpy() == TEST)
    images = np.asarray(data.images)
    if (test.labels >= 0).any():
        galleries(folder, test, images, rows)
    write_thumbnails(folder, test, images, rows, own.config.evaluation.thumbnails)
    run.write_config(data.config.model_copy(update={"trainer": own.config.trainer, "evaluation": settings}))
    run.write_split(data.split_table(result.seen))
    run.write_json(RunFile.LEAKS, result.leaks.as_dict())
    if result.leaks.near_count:
        result.leaks.write_pairs(run.path(RunFile.NEAR_DUPLICATES))
    about = result.predictions.about
    facts = {key: about[key] for key in ("source", "on", "synthetic", "folds", "leaks", "external")}
    remarks = {"notes": data.scanned.notes, "skipped": data.scanned.skipped}
    run.write_data(DataFacts(own.data.classes, own.data.positive_class, **remarks, **facts))
    return evaluation


def finish_folder(result: ExternalPredictions, folder: Path) -> None:
    """Mark the folder as that of a finished run, whose best weights are the original ones."""
    own = result.run
    run = Run(folder)
    about = result.predictions.about
    shutil.copyfile(own.path(RunFile.MODEL), run.path(RunFile.MODEL))
    revisions = [*dict.fromkeys([about["external"]["trained_with"] or "unknown", revision()])]
    run.write_json(RunFile.ENVIRONMENT, {**environment(sys.argv), "revisions": revisions})
    costs = {key: about.get(key) for key in ("images_seen", "wall_seconds")}
    best = relpath(own.best_checkpoint.resolve(), run.folder.resolve())
    run.write_status("finished", best=best, tested=str(own.folder), **costs)


def _inference_config(own: Config, dataset: ExternalDataset, images: int) -> Config:
    """Return the run's configuration with the images of the other data set, for the present machine."""
    progress = console.is_terminal or images >= LONG
    trainer = own.trainer.model_copy(update={"accelerator": "auto", "enable_progress_bar": progress})
    update = {key: getattr(dataset.config, key) for key in KEYS}
    # protocol=paper would copy images of some sources before the split.
    protocol = "image" if own.protocol == "paper" else own.protocol
    return own.model_copy(update={**update, "trainer": trainer, "protocol": protocol})


def _facts(run: Run, dataset: ExternalDataset, selection: Selection) -> dict[str, Any]:
    """Return the numbers of images that were predicted or left out, and why."""
    names = dataset.scanned.frame["label"]
    left_out: dict[str, Any] = {"unlabelled": 0 if dataset.unlabelled else int(names.isna().sum())}
    unmapped = [name for name, own in selection.classes.items() if own is None]
    left_out["classes"] = {name: int((names == name).sum()) for name in unmapped}
    labelled = selection.labels.notna()
    for part in LEARNED:
        left_out[part] = int((labelled & (selection.seen == part)).sum())
    own = run.predictions.about
    return {
        "name": dataset.name,
        "source": dataset.scanned.source,
        "data": content_hash(dataset.scanned)[:8],
        "images": len(selection.parts),
        "tested": int(selection.tested.sum()),
        "classes": selection.classes,
        "left_out": left_out,
        "in_own_test": int(((selection.seen == TEST) & selection.tested).sum()),
        "trained": str(run.folder),
        "trained_with": own.get("revision"),
        "leaks_within": own.get("leaks"),
    }


def _notes(seen: SeenImages, selection: Selection, namesakes: int, reason: str | None) -> list[str]:
    """Return what limits the independence of the data set, without names of subjects."""
    notes = []
    for part in LEARNED:
        count = int((selection.seen == part).sum())
        if count:
            notes.append(f"{count:,} of its images are of the run's {part} part and are left out")
    known = int((selection.seen[selection.tested] == TEST).sum())
    if known:
        notes.append(f"{known:,} of the images are of the run's own test part: they are not new")
    if namesakes:
        subjects = f"{namesakes:,} subjects have the names of subjects that the run learned from (data.json lists them)"
        notes.append(f"{subjects}: if they are the same, this is no external validation")
    if seen.lost:
        notes.append(f"the training images of {seen.lost[0]}, which the run started from, are unknown")
    if reason:
        notes.append(f"near-same pictures were not looked for: {reason}")
    return notes


def _notes_of_own_leaks(run: Run) -> list[str]:
    warnings = leakage({"leaks": run.predictions.about.get("leaks")})
    return [f"within the set that it learned from, {warning.text}" for warning in warnings]


def _about(
    run: Run, folder: Path, dataset: ExternalDataset, facts: dict[str, Any], leaks: LeakReport
) -> dict[str, Any]:
    own = run.predictions.about
    source = "" if dataset.name == dataset.scanned.source else f"{dataset.scanned.source}, "
    return {
        **own,
        "run": str(folder),
        "on": f"{dataset.name} ({source}{facts['images']:,} images)",
        "test": None,
        "synthetic": bool(own.get("synthetic")) or dataset.scanned.synthetic,
        "leaks": {**leaks.counts(), "seen_by_start": 0},
        "external": facts,
        "revision": revision(),
    }
