"""The section of an evaluation that draws learning curves, saved checkpoints, confusion matrix and ROC.

matplotlib costs seconds that an evaluation without files need not spend: it is imported when something is drawn.
"""

from functools import partial
from pathlib import Path

from common.runs.run import Run
from evaluation.labelled_runs import LabelledRuns
from evaluation.result import EvaluationResult
from evaluation.sections import Findings


def figures(runs: LabelledRuns, result: EvaluationResult) -> Findings:
    """Return the figures of any evaluation; curves and checkpoints are those of the logs in the folder."""
    drawn = {"learning_curves": _learning_curves, "checkpoints": _checkpoints, "confusion_matrix": _confusion_matrix}
    return Findings(figures={**drawn, "roc": partial(_roc, runs)})


def _learning_curves(path: Path, result: EvaluationResult) -> None:
    from evaluation.core import plots

    history = Run(path.parent).history
    if len(history):
        plots.learning_curves(path, history, result.about)


def _checkpoints(path: Path, result: EvaluationResult) -> None:
    from evaluation.core import plots

    saved = Run(path.parent).saved_checkpoints
    if len(saved):
        plots.checkpoints(path, saved, result.about)


def _confusion_matrix(path: Path, result: EvaluationResult) -> None:
    from evaluation.core import plots

    if result.test.images:
        plots.confusion_matrix(path, result)


def _roc(runs: LabelledRuns, path: Path, result: EvaluationResult) -> None:
    from evaluation.core import plots

    if result.test.metrics["auc"].value is not None:
        plots.roc(path, result, runs.test, runs.train)
