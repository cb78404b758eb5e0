"""The wrongly called test images, the surest first (paper 001, tables 4.1 and 4.2)."""

import numpy as np
import pandas as pd

from common.predictions import Predictions
from evaluation.core.labelled import Cases, Confidence, cases


def wrong_cases(predictions: Predictions) -> pd.DataFrame:
    """List the wrong calls.

    Where images were judged by several passes or members, the call is that of the majority, as in the paper; else the
    one at 0.5.

    Args:
        predictions: Test rows; those without a label are left out.

    Returns:
        A row per wrong call, the most confident first: ``image_id``, ``predicted``, ``actual``, ``probability`` of the
        predicted class (without dropout), ``mean_probability`` of it (over the passes), ``vote_share``,
        ``joint_confidence`` (the three None without passes), ``kind``, ``subject``, and ``row`` (its place in
        ``predictions``).
    """
    test = cases(predictions)
    rows = (predictions.labels >= 0).nonzero()[0]
    best = test.best
    wrong = (best.called != test.labels).nonzero()[0]
    table = pd.DataFrame(
        {
            "image_id": test.frame["image_id"].iloc[wrong].to_numpy(),
            "predicted": [test.scored.classes[index] for index in best.called[wrong]],
            "actual": test.frame["label"].iloc[wrong].to_numpy(),
            "probability": test.scored.probabilities[wrong, best.called[wrong]],
            **_sampled(test, best, wrong),
            "kind": test.frame["kind"].iloc[wrong].to_numpy(),
            "subject": test.frame["subject"].iloc[wrong].to_numpy(),
            "row": rows[wrong],
        }
    )
    order = (-pd.Series(best.values[wrong])).sort_values(kind="stable").index
    return table.loc[order].reset_index(drop=True)


def _sampled(test: Cases, best: Confidence, wrong: np.ndarray) -> dict:
    if not test.sampled:
        return dict.fromkeys(("mean_probability", "vote_share", "joint_confidence"))
    return {
        "mean_probability": test.mean_probabilities[wrong, best.called[wrong]],
        "vote_share": test.votes.values[wrong],
        "joint_confidence": best.values[wrong],
    }
