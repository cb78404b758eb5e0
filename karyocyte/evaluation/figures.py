"""The section of an evaluation that draws learning curves, saved checkpoints, confusion matrix and ROC."""

from functools import partial

from karyocyte.evaluation.core import plots
from karyocyte.evaluation.labelled_runs import LabelledRuns
from karyocyte.evaluation.result import EvaluationResult
from karyocyte.evaluation.sections import Drawing, FindingsWithoutValue


def figures(runs: LabelledRuns, result: EvaluationResult) -> FindingsWithoutValue:
    """Return the figures of any evaluation; curves and checkpoints are those of the logs in the folder."""
    drawn: dict[str, Drawing] = {"learning_curves": plots.learning_curves, "checkpoints": plots.checkpoints}
    if result.test.images:
        drawn["confusion_matrix"] = plots.confusion_matrix
    if result.test.metrics["auc"].value is not None:
        drawn["roc"] = partial(plots.roc, test=runs.test, train=runs.train)
    return FindingsWithoutValue(figures=drawn)
