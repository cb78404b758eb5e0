"""Ensembles of runs: fit the weights on validation, evaluate them on test, write a run per fold."""

import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from datamodules.io.whole_folder import new_whole_folder
from karyocyte.common.cli import console, say
from karyocyte.common.files import write_csv
from karyocyte.common.paths import without_machine
from karyocyte.evaluation.pooling.averaging import Combiner, align, combine
from karyocyte.evaluation.pooling.sections import turned_on
from karyocyte.evaluation.run.evaluate import evaluate_runs, write_evaluation
from karyocyte.evaluation.tables.terminal import overview
from karyocyte.evaluation.types.result import EvaluationResult
from karyocyte.runs.ensemble import EnsembleFile, write_ensemble
from karyocyte.runs.files import RunFile
from karyocyte.runs.predictions import Predictions
from karyocyte.runs.run import Run
from karyocyte.workflows.ensembles.ensemble_request import EnsembleRequest
from karyocyte.workflows.ensembles.genetic import fit
from karyocyte.workflows.ensembles.members import EnsembleMembers, group_members

AVERAGE = "average"
# The members of an ensemble of one fold, how they are combined, and its predictions.
FittedEnsemble = tuple[EnsembleMembers, Combiner, Predictions]


def make_ensembles(request: EnsembleRequest) -> None:
    """Fit the method on the validation images, evaluate it once on the test images, and write a run per fold.

    Nothing is written before all is fitted. A ``UserError`` says why members cannot be combined.
    """
    with console.status(f"fitting {request.method}"):
        fitted = [_fit(members, request=request) for members in read_members(request)]
    with console.status(f"evaluating {request.method}"):
        with new_whole_folder(request.output) as folder:
            result, *others = [_write_run(members, request, folder) for members in fitted]
        if others:
            runs = [predictions for _, _, predictions in fitted]
            result = evaluate_runs(runs, turned_on(request.evaluation, runs))
    console.print(overview(result))
    written = sorted(map(str, request.output.glob("fold*"))) or [str(request.output)]
    say("written to", *written, f"next: python scripts/report.py {shlex.join(written)}")


def read_members(request: EnsembleRequest) -> list[EnsembleMembers]:
    """Read the members, check that they can be combined, and bring them into one order; an ensemble per fold."""
    predictions = [run.predictions for run in request.runs]
    names = [str(run.folder) for run in request.runs]
    ensembles = []
    for members in group_members(predictions, names):
        aligned = tuple(align(members.members, members.names, request.common))
        ensembles.append(replace(members, members=aligned))
    return ensembles


def _fit(ensemble: EnsembleMembers, request: EnsembleRequest) -> FittedEnsemble:
    """Fit the ensemble of a fold, and combine its members' predictions."""
    method = request.method
    members = len(ensemble.members)
    combiner = Combiner(AVERAGE, np.full(members, 1 / members))
    if method != AVERAGE:
        combiner = fit(ensemble.problem, request.config, request.seed)
    predictions = combine(ensemble.members, combiner.combine, method, request.name)
    if method != AVERAGE:
        fitted_on = {"images": len(ensemble.validation.labels), "subjects": ensemble.validation.subjects}
        predictions.about["fitted"] = {**fitted_on, "parameters": combiner.parameters}
    predictions.about["run"] = without_machine(request.folder(ensemble.fold, request.output))
    return ensemble, combiner, predictions


def _write_run(ensemble: FittedEnsemble, request: EnsembleRequest, output: Path) -> EvaluationResult:
    """Write the run of a fold, with the thumbnails of the first member that has any; return its result."""
    members, combiner, predictions = ensemble
    run = Run(request.folder(members.fold, output))
    run.write_predictions(predictions)
    write_ensemble(run.folder, EnsembleFile(request.method, members.names, members.labels, combiner.as_dict()))
    weights = pd.DataFrame({"member": members.labels, "folder": members.names, "weight": combiner.weights})
    write_csv(run.path(RunFile.ENSEMBLE_WEIGHTS), weights, "%.6f")
    for name in members.names:
        if Run(Path(name)).has(RunFile.THUMBNAILS):
            shutil.copyfile(Run(Path(name)).thumbnails, run.thumbnails)
            break
    result = write_evaluation(run.folder, predictions, turned_on(request.evaluation, [predictions]))
    run.write_status("finished")
    return result
