"""The section of an evaluation that draws learning curves, saved checkpoints, confusion matrix and ROC."""

from evaluation.labelled_runs import LabelledRuns
from evaluation.result import EvaluationResult
from evaluation.sections import FindingsWithoutValue, drawn_by

PLOTS = "evaluation.core.plots"


def figures(runs: LabelledRuns, result: EvaluationResult) -> FindingsWithoutValue:
    """Return the figures of any evaluation; curves and checkpoints are those of the logs in the folder."""
    drawn = {"learning_curves": drawn_by(f"{PLOTS}.learning_curves"), "checkpoints": drawn_by(f"{PLOTS}.checkpoints")}
    if result.test.images:
        drawn["confusion_matrix"] = drawn_by(f"{PLOTS}.confusion_matrix")
    if result.test.metrics["auc"].value is not None:
        drawn["roc"] = drawn_by(f"{PLOTS}.roc", runs.test, runs.train)
    return FindingsWithoutValue(figures=drawn)
