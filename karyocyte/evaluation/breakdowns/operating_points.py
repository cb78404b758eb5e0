"""Operating points: what a requested sensitivity costs, its threshold chosen on validation and applied to test."""

import numpy as np
import pandas as pd

from karyocyte.evaluation.intervals.bootstrap import intervals
from karyocyte.evaluation.pooling.labelled_runs import LabelledRuns, single_or_list
from karyocyte.evaluation.pooling.sections import Findings, flat_table
from karyocyte.evaluation.types.result import EvaluationResult, SensitivityResult

REQUESTED = (0.90, 0.95, 0.99)
MEASURED = ("sensitivity", "specificity")


def operating_points(runs: LabelledRuns, _: EvaluationResult) -> Findings:
    """Evaluate the thresholds that keep each sensitivity of REQUESTED on validation.

    Returns:
        Each ``SensitivityResult``; nothing for more than two classes, without test images, and where a fold's
        validation images lack a class.
    """
    if runs.positive_index is None or not len(runs.test.labels):
        return Findings()
    results = []
    for sensitivity in REQUESTED:
        points = pd.DataFrame([fold.threshold_for(sensitivity) for fold in runs.folds])
        if points["value"].isna().any():
            return Findings()
        of_folds = {name: single_or_list(points[name].tolist()) for name in ("value", *MEASURED)}
        metrics = intervals(runs.test, runs.settings, np.repeat(points["value"].to_numpy(), runs.sizes), MEASURED)
        results.append(SensitivityResult(sensitivity, of_folds.pop("value"), of_folds, **metrics))
    return Findings(results, tables={"operating_points": flat_table(results, validation="validation_")})
