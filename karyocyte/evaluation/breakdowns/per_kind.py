"""Kind by kind: how many images are predicted right."""

import pandas as pd

from karyocyte.evaluation.intervals.exact import share
from karyocyte.evaluation.metrics.classification import call
from karyocyte.evaluation.pooling.labelled_runs import LabelledRuns, spread
from karyocyte.evaluation.pooling.sections import Findings
from karyocyte.evaluation.types.result import TEST, EvaluationResult, Figures


def per_kind(runs: LabelledRuns, _: EvaluationResult) -> Findings:
    """Count the test images of each class and kind that are predicted right, over all folds.

    Returns:
        Of each kind ("" where it is unknown) ``recall/<class>``, at 0.5 or by the most probable class, and
        ``recall_at_threshold/<class>``; nothing where no kind is known.
    """
    test = runs.test
    kinds = pd.concat([fold_test.frame["kind"] for fold_test in runs.tests]).astype("object").fillna("")
    if not kinds.astype(bool).any():
        return Findings()
    images = pd.DataFrame({"label": test.labels, "kind": kinds.to_numpy()})
    right = {"recall": call(test.probabilities, test.positive_index) == test.labels}
    thresholds = spread(runs.thresholds, runs.sizes)
    if thresholds is not None and test.positive_index is not None:
        right["recall_at_threshold"] = call(test.probabilities, test.positive_index, thresholds) == test.labels
    figures: Figures = {}
    for (label, kind), rows in images.groupby(["label", "kind"]):
        metrics = figures.setdefault((TEST, f"of kind {kind}"), {})
        for name, of_images in right.items():
            hits = of_images[rows.index].sum()
            metrics[f"{name}/{runs.classes[label]}"] = share(hits, len(rows), runs.settings.confidence)
    return Findings(metrics=figures)
