"""The evaluation of comparisons of homologues, where runs have any."""

from collections.abc import Sequence

from common.config.schema import EvaluationConfig
from common.predictions import Predictions
from common.runs.run import Run
from evaluation.homologues.evaluate import HomologueEvaluation, evaluate_homologues


def evaluate_pairs(
    predictions: Sequence[Predictions], runs: Sequence[Run], settings: EvaluationConfig
) -> HomologueEvaluation | None:
    """Evaluate the pairs of one run, or of the folds of one experiment.

    Args:
        predictions: Of each run; items that they lack are left out.
        runs: Their folders.
        settings: Of intervals.

    Returns:
        None where a run has no pairs, and where its validation part is evaluated, which calibrates the scores.
    """
    pairs = [run.pairs for run in runs]
    known = [each for each in pairs if each is not None]
    on_itself = any(each.about.get("on") for each in predictions)
    if on_itself or not known or len(known) < len(pairs):
        return None
    return evaluate_homologues(predictions, known, settings)
