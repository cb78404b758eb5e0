"""Evaluation of runs on another data set (scripts/evaluate.py --on): predict it, then evaluate."""

import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from os.path import relpath
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from datamodules.inference.external_datamodule import ExternalDataModule, find_near_duplicates
from datamodules.io.progress import LONG, progress_bar
from datamodules.io.whole_folder import new_whole_folder
from datamodules.manifest.leakage import LeakReport
from datamodules.manifest.splits import TEST
from karyocyte.common.cli import console, say, warn
from karyocyte.common.paths import without_machine
from karyocyte.common.revision import environment, revision
from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.run.evaluate import write_evaluation
from karyocyte.evaluation.sections.examples import thumbnails, write_examples
from karyocyte.evaluation.tables.results_csv import append_rows, read_rows, rows_of
from karyocyte.evaluation.tables.terminal import overview
from karyocyte.evaluation.types.result import EvaluationResult
from karyocyte.evaluation.types.warnings import leakage
from karyocyte.inference.models import LoadOptions, RunsModel
from karyocyte.inference.networks import Adaptation, LoadedNetwork, adapt_to, load_networks, sample_rows
from karyocyte.runs.facts import DataFacts
from karyocyte.runs.files import RunFile
from karyocyte.runs.lifecycle import other_revisions
from karyocyte.runs.predicted import Predicted, to_predictions
from karyocyte.runs.predictions import Predictions
from karyocyte.runs.run import Run
from karyocyte.workflows.evaluation.evaluate_request import EvaluateRequest
from karyocyte.workflows.evaluation.external_images import ExternalDataset, ExternalImages, match_images, read_dataset


@dataclass(frozen=True)
class ExternalPredictions:
    """A run's predictions of the images of another data set, which are the part "test" beside its own validation rows.

    ``rows`` are the manifest rows of the part "test", int64, shape (N,), ``leaks`` near-duplicates of images that the
    run learned from.
    """

    external: ExternalImages
    data: ExternalDataModule
    predictions: Predictions
    rows: np.ndarray
    leaks: LeakReport


def evaluate_external(runs: Sequence[Run], request: EvaluateRequest) -> None:
    """Predict another data set by each run, print the metrics, and write a folder like that of a run.

    Folds of one experiment predict the same images, so each run is evaluated alone; ``scripts/ensemble.py`` combines
    the results.

    Raises:
        UserError: The data set or its classes do not fit, or no image is left.
    """
    if request.csv:
        read_rows(request.csv)
    dataset = read_dataset(request.on or [], request.mapped or [], runs[0])
    assert request.output is not None  # checked by the request
    folders = request.folders(runs)
    pairs = zip(runs, folders, strict=True)
    results = [predict_external(run, request.output / folder, dataset, request.batchnorm) for run, folder in pairs]
    with new_whole_folder(request.output) as beside:
        for result, folder in zip(results, folders, strict=True):
            outside = _write_folder(result, beside / folder, request.settings_of([result.predictions]))
            console.print(overview(outside))
            facts = result.predictions.about["external"]
            counts = f"{facts['tested']:,} evaluated, {facts['images'] - facts['tested']:,} left out"
            say(f"results in {request.output / folder}", f"{facts['images']:,} images: {counts}")
            if request.csv:
                append_rows(request.csv, rows_of(outside, request.label))
    if len(results) > 1:
        say("each run is evaluated alone; for one model of them: scripts/ensemble.py average ... --common")


def predict_external(
    run: Run, folder: Path, dataset: ExternalDataset, batchnorm: str | None = None
) -> ExternalPredictions:
    """Predict another data set by a run, prepared like the run's own images.

    Images that the run, or one that it started from, was trained or validated on are left out. ``folder`` is what the
    predictions name as theirs.

    Raises:
        UserError: The classes do not fit, no image is left, or an image cannot be prepared.
    """
    (network,) = load_networks(RunsModel([run]), LoadOptions(batchnorm=batchnorm, passes=None))
    warn(*other_revisions(run.folder))
    external = match_images(run, dataset)
    data = external.data_module(console.is_terminal)
    rows = np.flatnonzero(data.parts.to_numpy() == TEST)
    leaks, not_looked_for = find_near_duplicates(
        external.seen, data.manifest.frame.iloc[rows], run.config, console.is_terminal
    )
    adaptation = _adapt(network, data, rows)
    predicted = _predict(network, data, rows)
    facts = external.facts()
    facts["notes"] = [*external.notes(facts), *_notes_of_run(run, adaptation, not_looked_for)]
    about = _about(folder, external, facts, leaks, adaptation)
    classes = run.data.classes
    predictions = to_predictions(predicted, data.manifest.frame, data.parts, classes, run.data.positive_class, about)
    whole = _join_validation(run.predictions, predictions)
    return ExternalPredictions(external, data, whole, rows, leaks)


def _adapt(network: LoadedNetwork, data: ExternalDataModule, rows: np.ndarray) -> Adaptation | None:
    """Adapt a network that wants it to images of the data set that are to be predicted; tell the user."""
    if not network.adapts:
        return None
    adaptation = adapt_to(network.network.adapt_to, data.prepared(rows[sample_rows(len(rows))]))
    say(adaptation.note)
    return adaptation


def _predict(network: LoadedNetwork, data: ExternalDataModule, rows: np.ndarray) -> Predicted:
    """Predict the images of some rows of the manifest."""

    def batches() -> Iterator[np.ndarray]:
        """Yield prepared images, and advance the progress bar."""
        with progress_bar(len(rows), "predicting", console.is_terminal or len(rows) >= LONG) as advance:
            for first in range(0, len(rows), network.batch_size):
                some = rows[first : first + network.batch_size]
                yield data.prepared(some).transpose(0, 3, 1, 2).copy()
                advance(len(some))

    predicted = Predicted.of_arrays(rows, network.predict(batches()), len(network.classes), network.passes)
    return replace(predicted, out_of_distribution=None)


def _about(
    folder: Path, external: ExternalImages, facts: dict[str, Any], leaks: LeakReport, adaptation: Adaptation | None
) -> dict[str, Any]:
    """Return the facts of the run, with those of the data set in place of its own."""
    dataset = external.dataset
    tested = f"{facts['images']:,} images"
    if dataset.name != dataset.scanned.source:
        tested = f"{dataset.scanned.source}, {tested}"
    if adaptation and adaptation.done:
        tested += ", BatchNorm of the images"
    own = external.run.predictions.about
    return {
        **own,
        "run": without_machine(folder),
        "on": f"{dataset.name} ({tested})",
        "test": None,
        "synthetic": bool(own.get("synthetic")) or dataset.scanned.synthetic,
        "leaks": {**leaks.counts(), "seen_by_start": 0},
        "external": facts,
        "revision": revision(),
    }


def _notes_of_run(run: Run, adaptation: Adaptation | None, not_looked_for: str | None) -> list[str]:
    """Return what is to be known of the run: how it was adapted, why near-duplicates were not sought, its leaks."""
    notes = []
    if adaptation:
        notes.append(adaptation.note)
    if not_looked_for:
        notes.append(f"near-duplicates were not looked for: {not_looked_for}")
    for warning in leakage({"leaks": run.predictions.about.get("leaks")}):
        notes.append(f"within the set that it learned from, {warning.text}")
    return notes


def _join_validation(own: Predictions, external: Predictions) -> Predictions:
    """Add a run's own validation rows, which choose the thresholds; an id of an external image is changed."""
    validation = own.part("validation").frame
    test = external.frame
    while (taken := validation["image_id"].isin(test["image_id"])).any():
        validation.loc[taken, "image_id"] += " (validation)"
    frame = pd.concat([validation, test], ignore_index=True)
    return replace(external, frame=frame[list(test.columns)])


def _write_folder(result: ExternalPredictions, folder: Path, settings: EvaluationConfig) -> EvaluationResult:
    """Write the files of a finished run's folder, as far as they are not about training; return the evaluation.

    ``config.yaml`` is the run's with the data of the other set; ``split.csv`` holds its images and those that the run
    learned from; the best weights are the original ones.
    """
    run = Run(folder)
    own = result.external.run
    data = result.data
    test = result.predictions.part("test")
    run.write_predictions(result.predictions)
    outside = write_evaluation(folder, result.predictions, settings)
    images: Any = data.images  # indexed like an array: only those that are drawn are read
    write_examples(folder, test, images, result.rows)
    thumbnails(folder, test, images, result.rows, settings)
    run.write_config(data.config.model_copy(update={"evaluation": settings}))
    run.write_split(data.split_table(result.external.seen))
    run.write_json(RunFile.LEAKS, result.leaks.as_dict())
    if result.leaks.near_count:
        result.leaks.write_pairs(run.path(RunFile.NEAR_DUPLICATES))
    about = result.predictions.about
    facts = {key: about[key] for key in ("source", "on", "synthetic", "folds", "leaks", "external")}
    facts |= {"notes": (*data.scanned.notes, *data.shrunk()), "skipped": data.scanned.skipped}
    run.write_data(DataFacts(own.data.classes, own.data.positive_class, **facts))
    shutil.copyfile(own.path(RunFile.MODEL), run.path(RunFile.MODEL))
    revisions = [*dict.fromkeys([about["external"]["trained_with"] or "unknown", revision()])]
    run.write_json(RunFile.ENVIRONMENT, {**environment(sys.argv), "revisions": revisions})
    best = relpath(own.best_checkpoint.resolve(), run.folder.resolve())
    costs = {"images_seen": about.get("images_seen"), "wall_seconds": about.get("wall_seconds")}
    run.write_status("finished", best=best, tested=without_machine(own.folder), **costs)
    return outside
