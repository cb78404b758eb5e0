"""The operating threshold, chosen on validation images and reported beside 0.5."""

import numpy as np

from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.metrics.labelled import LabelledPredictions
from karyocyte.evaluation.types.result import OperatingPoint


def choose_threshold(validation: LabelledPredictions, settings: EvaluationConfig) -> OperatingPoint:
    """Choose the threshold on validation images, of the probabilities that occur, by ``settings.threshold``.

    ``youden``: the largest sensitivity + specificity - 1 (Youden, Cancer, 1950). ``f1``: the largest F1 of the positive
    class. ``sensitivity``: the highest threshold with at least ``settings.sensitivity``. Of equals the one nearest to
    0.5. The operating point has no value for more than two classes and where a class has no validation image.
    """
    method = settings.threshold
    if validation.positive_index is None:
        return OperatingPoint(None, method, "more than two classes: the most probable one is predicted")
    missing = [name for name, images in validation.count_images().items() if not images]
    if missing:
        return OperatingPoint(None, method, f"no validation image of {' and '.join(missing)}")
    from sklearn.metrics import roc_curve  # here: slow to import, and few command lines choose thresholds

    positive = validation.labels == validation.positive_index
    scores = validation.probabilities[:, validation.positive_index]
    false_rate, true_rate, thresholds = roc_curve(positive, scores, drop_intermediate=False)
    # The first one is infinite: nothing is called positive.
    false_rate = false_rate[1:]
    true_rate = true_rate[1:]
    thresholds = thresholds[1:]
    if method == "sensitivity":
        best = int(np.argmax(true_rate >= settings.sensitivity))
    else:
        if method == "youden":
            gain = true_rate - false_rate
        else:
            true = true_rate * positive.sum()
            gain = 2 * true / (true + false_rate * (~positive).sum() + positive.sum())
        equal = np.flatnonzero(np.isclose(gain, gain.max(), rtol=0, atol=1e-12))
        best = int(equal[np.argmin(np.abs(thresholds[equal] - 0.5))])
    return OperatingPoint(float(thresholds[best]), method, None, float(true_rate[best]), float(1 - false_rate[best]))
