"""The wrongly predicted test images, the most certain first (paper 001, tables 4.1 and 4.2)."""

from typing import Any

import numpy as np
import pandas as pd

from common.predictions import Predictions
from evaluation.core.labelled import cases


def wrong_cases(predictions: Predictions) -> pd.DataFrame:
    """List the wrong predictions.

    With several passes or members the prediction is that of the majority, as in the paper; else the one at 0.5. Rows
    without a label are left out.

    Returns:
        A row per wrong prediction, the most confident first: ``image_id``, ``predicted``, ``actual``, ``probability``
        of the predicted class (without dropout), ``mean_probability`` of it (over the passes), ``vote_share``,
        ``joint_confidence`` (the three None without passes), ``kind``, ``subject``, and ``row`` (in ``predictions``).
    """
    test = cases(predictions)
    best = test.joint if test.sampled else test.plain
    wrong = (best.called != test.labels).nonzero()[0]
    wrong = wrong[np.argsort(-best.values[wrong], kind="stable")]
    predicted = best.called[wrong]
    frame = test.frame.iloc[wrong]
    sampled: dict[str, Any] = dict.fromkeys(("mean_probability", "vote_share", "joint_confidence"))
    if test.sampled:
        sampled["mean_probability"] = test.mean_probabilities[wrong, predicted]
        sampled["vote_share"] = test.votes.values[wrong]
        sampled["joint_confidence"] = best.values[wrong]
    columns = {
        "image_id": frame["image_id"].to_numpy(),
        "predicted": np.array(test.scored.classes, dtype=object)[predicted],
        "actual": frame["label"].to_numpy(),
        "probability": test.scored.probabilities[wrong, predicted],
        **sampled,
        "kind": frame["kind"].to_numpy(),
        "subject": frame["subject"].to_numpy(),
        "row": (predictions.labels >= 0).nonzero()[0][wrong],
    }
    return pd.DataFrame(columns)
