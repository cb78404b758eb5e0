"""Which images are shown as examples."""

import numpy as np
import pandas as pd

from karyocyte.evaluation.sections.examples import showcase
from karyocyte.runs.predictions import Predictions, uncertainty_of


def two_classes(positive: list[float], labels: list[str | None]) -> Predictions:
    probabilities = np.stack([1 - np.array(positive), positive], axis=1)
    frame = pd.DataFrame({"label": labels, "prob_hem": probabilities[:, 0], "prob_all": probabilities[:, 1]})
    return Predictions(frame.assign(uncertainty=uncertainty_of(probabilities)), ("hem", "all"), "all", {})


def test_a_showcase_has_none_twice_and_each_class_before_another_image_of_one():
    labels = ["hem", "hem", "hem", "hem", "all", "all", "all", None]
    scores = [0.1, 0.02, 0.9, 0.45, 0.7, 0.99, 0.52, 0.001]
    shown = showcase(two_classes(scores, labels), 2)
    assert dict(shown[:2]) == dict.fromkeys([1, 5], "surest right")
    assert dict(shown[2:]) == {2: "surest wrong", 3: "most doubtful", 6: "most doubtful"}  # none of “all” is wrong
    assert showcase(two_classes([0.5], [None])) == []
