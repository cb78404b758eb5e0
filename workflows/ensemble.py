"""Ensembles of runs: fit each method on validation, evaluate it on test, write one run per method and fold."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from common.cli import console, say, warn
from common.config.ensemble import EnsembleConfig
from common.config.schema import AssignmentConfig, EvaluationConfig
from common.errors import UserError
from common.files import atomic_path, write_csv
from common.predictions import PROBABILITY_PREFIX, Predictions, uncertainty_of
from common.runs.ensemble import EnsembleFile
from common.runs.files import RunFile
from common.runs.run import Run
from evaluation.core.warnings import IMAGES_PER_NUMBER, too_few_images
from evaluation.cytogenetics.cell_metrics import assignment_refusal
from evaluation.departures import departures
from evaluation.ensembles.averaging import EnsembleMembers, align, combine, group_members
from evaluation.ensembles.methods import Combiner, fit, inner_folds, predict_folds
from evaluation.ensembles.overfitting import (
    MEMBER,
    METHOD,
    METRICS,
    Candidate,
    draw_overfitting,
    overfitting,
    overfitting_table,
)
from evaluation.evaluate import evaluate_runs, write_evaluation
from evaluation.result import EvaluationResult
from evaluation.results_csv import append_rows, rows_of
from evaluation.terminal import overview

AVERAGE = "average"


@dataclass(frozen=True)
class EnsembleRequest:
    """Options of ``scripts/ensemble.py``; several methods get a folder each.

    Attributes:
        nested: Number of inner folds of the validation images; 0: no nested cross-validation.
        common: Whether validation images that a member lacks are left out.
        name: Name of the ensemble in tables; None: its method and members.
        csv: Table of results that gets a row per metric; None: none.
        label: Name of these rows.
    """

    runs: tuple[Run, ...]
    methods: tuple[str, ...]
    output: Path
    config: EnsembleConfig
    evaluation: EvaluationConfig
    seed: int = 0
    nested: int = 0
    common: bool = False
    name: str | None = None
    csv: Path | None = None
    label: str = ""

    @property
    def several(self) -> bool:
        """Whether there are several methods."""
        return len(self.methods) > 1

    def folder(self, method: str, fold: int | None) -> Path:
        """Return the folder of the ensemble of a method and fold."""
        folder = self.output / method if self.several else self.output
        return folder if fold is None else folder / f"fold{fold}"


def make_ensembles(request: EnsembleRequest) -> None:
    """Fit the methods on the validation images, evaluate each once on the test images, write runs and comparison.

    The average, the baseline of all, is made in any case. Nothing is written before all is fitted. A ``UserError`` says
    why members cannot be combined.
    """
    ensembles = read_members(request)
    methods = list(dict.fromkeys([*request.methods, AVERAGE]))
    candidates: dict[str, Candidate] = {}
    results: dict[str, list[EvaluationResult]] = {method: [] for method in request.methods}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=len(methods) + len(request.methods))
        for method in methods:
            bar.update(task, description=f"fitting {method}")
            candidates[method] = _fit_method(method, ensembles, request)
            bar.advance(task)
        if request.several:  # the evaluation of a single method has this warning
            _warn_of_few_images(ensembles, candidates)
        for method in request.methods:
            bar.update(task, description=f"evaluating {method}")
            for place, ensemble in enumerate(ensembles):
                results[method].append(_write_run(candidates[method], place, ensemble, request))
            bar.advance(task)
    _write_comparison(ensembles, candidates, request)
    _write_results(ensembles, candidates, results, request)
    subfolders = [", ".join(request.methods)] if request.several else []
    folds = ", ".join(f"fold{ensemble.fold}" for ensemble in ensembles if ensemble.fold is not None)
    if folds:
        subfolders.append(f"in each {folds}" if request.several else folds)
    say(f"written to {request.output}", *subfolders)


def read_members(request: EnsembleRequest) -> list[EnsembleMembers]:
    """Read the members, check that they can be combined, and bring them into one order; an ensemble per fold."""
    names = [str(run.folder) for run in request.runs]
    ensembles = []
    for members in group_members([run.predictions for run in request.runs], names):
        aligned = replace(members, members=tuple(align(members.members, members.names, request.common)))
        if any(method != AVERAGE for method in request.methods):
            _ = aligned.problem  # raises where nothing can be fitted
        sampled = sum(member.sampled for member in members.members)
        if sampled:
            warn(
                f"{sampled} of {len(members.members)} members have Monte Carlo passes of their own: only their "
                "probabilities without dropout are used"
            )
        largest = max(len(member.part("validation").frame) for member in members.members)
        shared = len(aligned.members[0].part("validation").frame)
        if request.common and largest > shared:
            consequence = "the others may have trained a member"
            if not shared:
                consequence = "no threshold is chosen, nothing can be fitted"
            common = f"{shared:,} validation images of up to {largest:,} are common to all members"
            warn(f"{common}{_of_fold(members)}: {consequence}")
        if request.nested:
            aligned = replace(aligned, inner_folds=inner_folds(aligned.validation, request.nested, request.seed))
        ensembles.append(aligned)
    return ensembles


def _warn_of_few_images(ensembles: Sequence[EnsembleMembers], candidates: dict[str, Candidate]) -> None:
    for place, ensemble in enumerate(ensembles):
        images = len(ensemble.validation.labels)
        few = []
        for method, candidate in candidates.items():
            parameters = candidate.combiners[place].parameters
            if too_few_images(images, parameters):
                few.append(f"{method} ({parameters:,})")
        if few:
            warn(
                f"{images:,} validation images{_of_fold(ensemble)}: fewer than {IMAGES_PER_NUMBER} for each of "
                f"the numbers fitted by {', '.join(few)}: much of their gain there may be chance"
            )


def _of_fold(ensemble: EnsembleMembers) -> str:
    return "" if ensemble.fold is None else f", fold {ensemble.fold}"


def _fit_method(method: str, ensembles: Sequence[EnsembleMembers], request: EnsembleRequest) -> Candidate:
    """Fit the ensemble of each fold, and with nested cross-validation predict its validation images."""
    name = request.name
    if name is not None and request.several:
        name = f"{name}_{method}"
    combiners = []
    runs = []
    nested = []
    for ensemble in ensembles:
        members = ensemble.members
        if method == AVERAGE:
            combiner = Combiner(method, np.full(len(members), 1 / len(members)))
        else:
            combiner = fit(method, ensemble.problem, request.config, request.seed)
        run = combine(members, combiner.combine, method, name)
        if method != AVERAGE:
            run.about["fitted"] = {**_fitted_on(method, ensemble), "parameters": combiner.parameters}
        run.about["run"] = str(request.folder(method, ensemble.fold))
        combiners.append(combiner)
        runs.append(run)
        if ensemble.inner_folds is not None:
            nested.append(_nested_predictions(run, ensemble, ensemble.inner_folds, request))
    return Candidate(method, METHOD, tuple(runs), tuple(nested) or None, tuple(combiners))


def _nested_predictions(
    run: Predictions, ensemble: EnsembleMembers, folds: np.ndarray, request: EnsembleRequest
) -> Predictions:
    """The labelled validation rows, predicted by combiners that were fitted on the other inner folds."""
    method = run.about["method"]
    validation = run.part("validation")
    if method == AVERAGE:
        return validation
    try:
        probabilities = predict_folds(
            ensemble.problem, folds, lambda problem: fit(method, problem, request.config, request.seed)
        )
    except UserError as error:  # images that suffice for the fit may not do so without a fold
        message = f"--nested {request.nested}{_of_fold(ensemble)}: {error}; or leave --nested out"
        raise UserError(message) from error
    frame = validation.frame[validation.labels >= 0].reset_index(drop=True)
    frame[[PROBABILITY_PREFIX + name for name in run.classes]] = probabilities
    frame["uncertainty"] = uncertainty_of(probabilities)
    return replace(validation, frame=frame)


def _fitted_on(method: str, ensemble: EnsembleMembers) -> dict[str, int | None]:
    if method == AVERAGE:
        return {"images": 0, "subjects": 0}
    return {"images": len(ensemble.validation.labels), "subjects": ensemble.validation.subjects}


def _write_run(
    candidate: Candidate, place: int, ensemble: EnsembleMembers, request: EnsembleRequest
) -> EvaluationResult:
    """Write the run of a method and fold, with the thumbnails of the first member that has any; return its result."""
    method = candidate.label
    predictions = candidate.runs[place]
    combiner = candidate.combiners[place]
    run = Run(request.folder(method, ensemble.fold))
    run.write_predictions(predictions)
    fitted_on = _fitted_on(method, ensemble)
    run.write_ensemble(EnsembleFile(method, ensemble.names, ensemble.labels, combiner.as_dict(), fitted_on))
    write_csv(run.path(RunFile.ENSEMBLE_WEIGHTS), _weights(ensemble, combiner), "%.6f")
    thumbnails = [Run(Path(name)).thumbnails for name in ensemble.names]
    source = next(filter(Path.is_file, thumbnails), None)
    if source is not None:
        with atomic_path(run.thumbnails) as temporary:
            shutil.copyfile(source, temporary)
    result = write_evaluation(run.folder, predictions, None, _evaluation_settings([predictions], request))
    run.write_status("finished", members=list(ensemble.names))
    return result


def _evaluation_settings(runs: list[Predictions], request: EnsembleRequest) -> EvaluationConfig:
    """The settings of the evaluation, with joint assignment where the runs have whole cells."""
    assignment = AssignmentConfig(enabled=assignment_refusal(runs) is None)
    return request.evaluation.model_copy(update={"assignment": assignment})


def _weights(ensemble: EnsembleMembers, combiner: Combiner) -> pd.DataFrame:
    weights = np.full(len(ensemble.names), np.nan) if combiner.weights is None else combiner.weights
    return pd.DataFrame({"member": ensemble.labels, "folder": ensemble.names, "weight": weights})


def _write_comparison(
    ensembles: Sequence[EnsembleMembers], candidates: dict[str, Candidate], request: EnsembleRequest
) -> None:
    """Write and print ``overfitting.csv`` and ``overfitting.png``: members and methods, validation beside test."""
    labels = ensembles[0].labels
    compared = []
    for place, label in enumerate(labels):
        runs = tuple(ensemble.members[place] for ensemble in ensembles)
        compared.append(Candidate(label, MEMBER, runs, runs if request.nested else None))
    average = candidates[AVERAGE]
    compared += [candidates[method] for method in dict.fromkeys([AVERAGE, *request.methods])]
    with console.status("comparing members and methods"):
        rows = overfitting(compared, average, request.evaluation)
    write_csv(request.output / "overfitting.csv", rows, "%.6f")
    folds = [run.about.get("fold") for run in average.runs]
    about = {**average.runs[0].about, "name": f"ensembles of {len(labels)} members"}
    about["fold"] = folds if len(folds) > 1 else folds[0]
    draw_overfitting(request.output / "overfitting.png", rows, about)
    for metric in METRICS:
        console.print(overfitting_table(rows, metric))


def _write_results(
    ensembles: Sequence[EnsembleMembers],
    candidates: dict[str, Candidate],
    results: dict[str, list[EvaluationResult]],
    request: EnsembleRequest,
) -> None:
    """Print the result of a single method, add the rows of all to a table of results, and write all weights."""
    rows: list[dict[str, Any]] = []
    for method, of_folds in results.items():
        result = of_folds[0]
        if len(of_folds) > 1:
            runs = list(candidates[method].runs)
            result = evaluate_runs(runs, _evaluation_settings(runs, request))
        if not request.several:
            console.print(overview(result))
        # Rows of several methods must not replace one another.
        label = ": ".join(filter(None, (request.label, method))) if request.several else request.label
        members = [Run(Path(name)) for ensemble in ensembles for name in ensemble.names]
        rows += rows_of(result, label, departures(members))
    if request.csv:
        append_rows(request.csv, rows)
    if request.several:
        tables = []
        for method in request.methods:
            for ensemble, combiner in zip(ensembles, candidates[method].combiners, strict=True):
                weights = _weights(ensemble, combiner)
                weights.insert(0, "fold", ensemble.fold)
                weights.insert(1, "method", method)
                tables.append(weights)
        write_csv(request.output / RunFile.ENSEMBLE_WEIGHTS, pd.concat(tables), "%.6f")
