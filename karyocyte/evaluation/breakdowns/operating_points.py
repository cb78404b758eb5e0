"""Operating points: what a requested sensitivity costs, its threshold chosen on validation and applied to test."""

import numpy as np
import pandas as pd

from karyocyte.evaluation.intervals.bootstrap import intervals
from karyocyte.evaluation.pooling.labelled_runs import LabelledRuns
from karyocyte.evaluation.pooling.sections import Findings
from karyocyte.evaluation.types.result import TEST, EvaluationResult, Figures, Kind, chosen_figures

SENSITIVITIES = (0.90, 0.95, 0.99)
MEASURED = ("sensitivity", "specificity")


def operating_points(runs: LabelledRuns, _: EvaluationResult) -> Findings:
    """Evaluate the thresholds that keep each of SENSITIVITIES on validation.

    Returns:
        Of each, MEASURED on test, and of each fold's validation images with the ``threshold``; nothing for more than
        two classes, without test images, and where a fold's validation images lack a class.
    """
    if runs.positive_index is None or not len(runs.test.labels):
        return Findings()
    figures: Figures = {}
    for sensitivity in SENSITIVITIES:
        section = f"{Kind.REQUESTED}{sensitivity:g}"
        points = pd.DataFrame([fold.threshold_for(sensitivity) for fold in runs.folds])
        if points["value"].isna().any():
            return Findings()
        thresholds = np.repeat(points["value"].to_numpy(), runs.sizes)
        figures[TEST, section] = intervals(runs.test, runs.settings, thresholds, MEASURED)
        chosen = points.rename(columns={"value": "threshold"})[["threshold", *MEASURED]]
        figures |= chosen_figures(section, chosen.to_dict("records"))
    return Findings(metrics=figures)
