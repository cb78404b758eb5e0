"""Evaluation of runs on another data set (scripts/evaluate.py --on); the result is a folder like a run's."""

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from os.path import relpath
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common.cli import console, say, warn
from common.config.compose import compose_config
from common.config.schema import Config, EvaluationConfig
from common.errors import UserError
from common.files import write_csv
from common.predictions import Predictions
from common.revision import environment, revision
from common.runs.files import RunFile
from common.runs.lifecycle import other_revisions
from common.runs.predicted import Predicted, to_predictions
from common.runs.run import DataFacts, Run
from datamodules.inference.external_datamodule import (
    LEARNED,
    ExternalDataModule,
    SeenImages,
    assign_parts,
    find_near_duplicates,
    read_seen_images,
    scan_external,
)
from datamodules.io.progress import LONG
from datamodules.manifest.leakage import LeakReport
from datamodules.manifest.manifest import Manifest, content_hash
from datamodules.manifest.splits import TEST
from evaluation.comparison.external import beside, beside_table, is_compared, map_classes, parse_map
from evaluation.core.warnings import leakage
from evaluation.evaluate import evaluate_runs, write_evaluation
from evaluation.examples import galleries, write_thumbnails
from evaluation.renderers import terminal
from evaluation.result import EvaluationResult
from evaluation.results_csv import append_rows, read_rows, rows_of
from lightning_modules.classifier import Classifier
from lightning_modules.inference import predict
from lightning_modules.load import TrainedRun, load_run
from lightning_modules.trainer import set_up_torch
from workflows.adaptation import Adaptation, adapt_to, adapts, sample_rows
from workflows.evaluation.request import DATA_KEYS, EvaluateRequest
from workflows.prediction.runs import for_this_machine

MEANS = ("auc", "accuracy", "f1_weighted")


@dataclass(frozen=True)
class ExternalDataset:
    """Another data set.

    Attributes:
        name: The name of its folder, or of its source.
        scanned: Its images under its own labels.
        config: Its ``data``, ``data_dir`` and ``cache_dir``.
        class_map: The result of ``parse_map``.
    """

    name: str
    scanned: Manifest
    config: Config
    class_map: dict[str, str | None]


@dataclass(frozen=True)
class MatchedImages:
    """The images of another data set as a run knows them.

    Attributes:
        classes: The run's class of each class of the data set, None where its images are left out.
        images: The run's class of each image (``label``), the part of the run that holds it (``seen``) and its
            ``part``, "test" where it is predicted.
    """

    classes: dict[str, str | None]
    images: pd.DataFrame


@dataclass(frozen=True)
class ExternalPredictions:
    """A run's predictions of the images of another data set.

    Attributes:
        predictions: The run's own validation rows, and those of the data set as the part "test".
        rows: The manifest row of each image of the part "test", int64, shape (N,).
        seen: The images that the run has seen.
        leaks: Near-duplicates of images that the run learned from.
    """

    run: Run
    data: ExternalDataModule
    predictions: Predictions
    rows: np.ndarray
    seen: SeenImages
    leaks: LeakReport


def evaluate_external(runs: Sequence[Run], request: EvaluateRequest) -> None:
    """Predict another data set by each run, print the metrics beside those of the run itself, and write the results.

    Folds of one experiment predict the same images, so each run is evaluated alone; ``scripts/ensemble.py`` combines
    the results.

    Raises:
        UserError: The data set or its classes do not fit, or no image is left.
    """
    if request.csv:
        read_rows(request.csv)
    dataset = read_dataset(request, runs[0])
    set_up_torch()
    folders = request.folders(runs)
    results = [
        predict_external(run, folder, dataset, request.batchnorm) for run, folder in zip(runs, folders, strict=True)
    ]
    tables = [_report(result, folder, request) for result, folder in zip(results, folders, strict=True)]
    if len(tables) > 1:
        means = pd.concat(tables).groupby("metric")[["inside", "outside"]].mean().reindex(MEANS)
        lines = [f"{row.Index}: {row.inside:.3f} inside, {row.outside:.3f} outside" for row in means.itertuples()]
        combined = "each run is evaluated alone; for one model of them: scripts/ensemble.py average ... --common"
        say(f"mean over {len(tables)} runs", *lines, combined)


def read_dataset(request: EvaluateRequest, run: Run) -> ExternalDataset:
    """Scan the other data set; ``run`` has the positive class, and the cache.

    Raises:
        UserError: The data set cannot be read, or no image has a label.
    """
    class_map = parse_map(request.mapped or [])
    positive_class = str(run.data.positive_class)
    positive = [name for name, own_name in class_map.items() if own_name == positive_class]
    config = compose_config(list(request.on or []))
    if "cache_dir" not in request.keys:
        config = config.model_copy(update={"cache_dir": run.config.cache_dir})
    scanned, config = scan_external(config, [*positive, positive_class], console.is_terminal)
    say(f"{scanned.source}: {len(scanned.frame):,} images in {scanned.root}", *scanned.remarks)
    if scanned.frame["label"].isna().all():
        raise UserError("no image of the other data set has a label, so there is no metric: predict.py predicts them")
    name = scanned.source
    if config.data_dir is not None and not scanned.synthetic:
        name = Path(config.data_dir).resolve().name.removesuffix(".zip")
    return ExternalDataset(name, scanned, config, class_map)


def predict_external(
    run: Run, folder: Path, dataset: ExternalDataset, batchnorm: str | None = None
) -> ExternalPredictions:
    """Predict another data set by a run, prepared like the run's own images.

    Images that the run, or one that it started from, was trained or validated on are left out. ``folder`` is what the
    predictions name as theirs.

    Raises:
        UserError: The classes do not fit, no image is left, or an image cannot be prepared.
    """
    trained = load_run(run.folder)
    warn(*other_revisions(run.folder))
    seen = read_seen_images(run, trained.config.init_from)
    matched = _match(run, trained, dataset, seen)
    data = _data_module(trained, dataset, matched)
    tested = data.manifest.frame[data.parts == TEST]
    leaks, not_looked_for = find_near_duplicates(seen, tested, trained.config, console.is_terminal)
    adaptation = _adapt(trained.classifier, data) if adapts(trained.config, batchnorm) else None
    predicted = _predict(trained.classifier, data)
    facts = _facts(run, dataset, matched)
    facts["namesakes"] = list(seen.namesakes(tested["subject"]))
    facts["notes"] = [
        *_notes(seen, matched.images, len(facts["namesakes"])),
        *_notes_of_run(run, adaptation, not_looked_for),
    ]
    about = _about(run, folder, dataset, facts, leaks, adaptation)
    predictions = to_predictions(
        predicted, data.manifest.frame, data.parts, trained.classes, trained.positive_class, about
    )
    whole = _join_validation(run.predictions, predictions)
    return ExternalPredictions(run, data, whole, predicted.rows, seen, leaks)


def _match(run: Run, trained: TrainedRun, dataset: ExternalDataset, seen: SeenImages) -> MatchedImages:
    """Find the run's class of each image, and what of the data set it has seen."""
    scanned = dataset.scanned
    present = set(scanned.frame["label"].dropna())
    classes = map_classes([name for name in scanned.classes if name in present], trained.classes, dataset.class_map)
    labels = pd.Series([classes.get(name) for name in scanned.frame["label"]], scanned.frame.index, dtype=object)
    seen_in = seen.part_of(scanned.frame["sha256"])
    parts = assign_parts(labels, seen_in)
    if not (parts == TEST).any():
        raise UserError(f"{run.folder} was trained or validated on every image of {dataset.name} that has a class")
    return MatchedImages(classes, pd.DataFrame({"label": labels, "seen": seen_in, "part": parts}))


def _data_module(trained: TrainedRun, dataset: ExternalDataset, matched: MatchedImages) -> ExternalDataModule:
    """Return the data module of the images, prepared like the run's own."""
    images = matched.images
    update = {key: getattr(dataset.config, key) for key in DATA_KEYS}
    if trained.config.protocol == "paper":
        update["protocol"] = "image"  # the other would copy images of some sources before the split
    progress = console.is_terminal or int((images["part"] == TEST).sum()) >= LONG
    config = for_this_machine(trained.config, progress).model_copy(update=update)
    frame = dataset.scanned.frame.assign(label=images["label"])
    manifest = replace(dataset.scanned, frame=frame, classes=trained.classes, positive_class=trained.positive_class)
    return ExternalDataModule(config, dataset.scanned, manifest, images["part"], console.is_terminal)


def _predict(classifier: Classifier, data: ExternalDataModule) -> Predicted:
    predicted = predict(classifier, data, data.config)
    assert predicted is not None  # there is one process
    return predicted


def _about(
    run: Run,
    folder: Path,
    dataset: ExternalDataset,
    facts: dict[str, Any],
    leaks: LeakReport,
    adaptation: Adaptation | None,
) -> dict[str, Any]:
    """Return the facts of the run, with those of the data set in place of its own."""
    source = "" if dataset.name == dataset.scanned.source else f"{dataset.scanned.source}, "
    adapted = ", BatchNorm of the images" if adaptation and adaptation.done else ""
    own = run.predictions.about
    return {
        **own,
        "run": str(folder),
        "on": f"{dataset.name} ({source}{facts['images']:,} images{adapted})",
        "test": None,
        "synthetic": bool(own.get("synthetic")) or dataset.scanned.synthetic,
        "leaks": {**leaks.counts(), "seen_by_start": 0},
        "external": facts,
        "revision": revision(),
    }


def _adapt(classifier: Classifier, data: ExternalDataModule) -> Adaptation:
    """Adapt a network to images of the data set that are to be predicted; tell the user."""
    rows = np.flatnonzero(data.parts.to_numpy() == TEST)
    adaptation = adapt_to(classifier, data.prepared(rows[sample_rows(len(rows))]))
    say(adaptation.note)
    return adaptation


def _facts(run: Run, dataset: ExternalDataset, matched: MatchedImages) -> dict[str, Any]:
    """Return the numbers of images that were predicted or left out, and why."""
    images = matched.images
    names = dataset.scanned.frame["label"]
    tested = images["part"] == TEST
    left_out: dict[str, Any] = {"unlabelled": int(names.isna().sum())}
    left_out["classes"] = {name: int((names == name).sum()) for name, own in matched.classes.items() if own is None}
    for part in LEARNED:
        left_out[part] = int((images["label"].notna() & (images["seen"] == part)).sum())
    return {
        "name": dataset.name,
        "source": dataset.scanned.source,
        "data": content_hash(dataset.scanned)[:8],
        "images": len(images),
        "tested": int(tested.sum()),
        "classes": matched.classes,
        "left_out": left_out,
        "in_own_test": int((tested & (images["seen"] == TEST)).sum()),
        "trained": str(run.folder),
        "trained_with": run.predictions.about.get("revision"),
        "leaks_within": run.predictions.about.get("leaks"),
    }


def _notes(seen: SeenImages, images: pd.DataFrame, namesakes: int) -> list[str]:
    """Return what limits the independence of the data set, without names of subjects."""
    notes = []
    for part in LEARNED:
        count = int((images["seen"] == part).sum())
        if count:
            notes.append(f"{count:,} of its images are of the run's {part} part and are left out")
    in_own_test = int(((images["part"] == TEST) & (images["seen"] == TEST)).sum())
    if in_own_test:
        notes.append(f"{in_own_test:,} of the images are of the run's own test part: they are not new")
    if namesakes:
        subjects = f"{namesakes:,} subjects have the names of subjects that the run learned from (data.json lists them)"
        notes.append(f"{subjects}: if they are the same, this is no external validation")
    if seen.lost:
        notes.append(f"the training images of {seen.lost[0]}, which the run started from, are unknown")
    return notes


def _notes_of_run(run: Run, adaptation: Adaptation | None, not_looked_for: str | None) -> list[str]:
    """Return what is to be known of the run: how it was adapted, why near-duplicates were not sought, its leaks."""
    notes = [adaptation.note] if adaptation else []
    if not_looked_for:
        notes.append(f"near-duplicates were not looked for: {not_looked_for}")
    for warning in leakage({"leaks": run.predictions.about.get("leaks")}):
        notes.append(f"within the set that it learned from, {warning.text}")
    return notes


def _join_validation(own: Predictions, external: Predictions) -> Predictions:
    """Add a run's own validation rows, which choose the thresholds; an id of an external image is changed."""
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


def _report(result: ExternalPredictions, folder: Path, request: EvaluateRequest) -> pd.DataFrame:
    """Write one run's folder and rows, print its metrics and return them."""
    own = result.run.predictions
    inside = evaluate_runs([own], request.settings_of([own]))
    outside, frame = _write_folder(result, folder, request.settings_of([result.predictions]), inside)
    facts = result.predictions.about["external"]
    reasons = facts["left_out"]
    left_out = reasons["unlabelled"] + sum(reasons["classes"].values()) + reasons["train"] + reasons["validation"]
    console.print(terminal(beside_table(inside, outside)))
    warn(*map(str, outside.warnings_except("validation")))
    counts = f"{facts['images']:,} images: {facts['tested']:,} evaluated, {left_out:,} left out"
    say(f"results in {folder}", counts)
    if request.csv:
        rows = rows_of(inside, request.label) + rows_of(outside, request.label)
        append_rows(request.csv, [row for row in rows if is_compared(row["metric"])])
    return frame


def _write_folder(
    result: ExternalPredictions, folder: Path, settings: EvaluationConfig, inside: EvaluationResult
) -> tuple[EvaluationResult, pd.DataFrame]:
    """Write the files of a finished run's folder, as far as they are not about training; return the evaluation.

    ``config.yaml`` is the run's with the data of the other set; ``split.csv`` holds its images and those that the run
    learned from; the best weights are the original ones.
    """
    run = Run(folder)
    own = result.run
    data = result.data
    test = result.predictions.part("test")
    run.write_predictions(result.predictions)
    outside = write_evaluation(folder, result.predictions, None, settings)
    rows = result.rows
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
    notes = data.scanned.notes
    skipped = data.scanned.skipped
    run.write_data(DataFacts(own.data.classes, own.data.positive_class, notes=notes, skipped=skipped, **facts))
    frame = beside(inside, outside)
    write_csv(folder / "inside_outside.csv", frame, "%.6f")
    shutil.copyfile(own.path(RunFile.MODEL), run.path(RunFile.MODEL))
    revisions = [*dict.fromkeys([about["external"]["trained_with"] or "unknown", revision()])]
    run.write_json(RunFile.ENVIRONMENT, {**environment(sys.argv), "revisions": revisions})
    costs = {key: about.get(key) for key in ("images_seen", "wall_seconds")}
    best = relpath(own.best_checkpoint.resolve(), run.folder.resolve())
    run.write_status("finished", best=best, tested=str(own.folder), **costs)
    return outside, frame
