"""New images that look like those of a reader that failed: all that is predicted of them is reviewed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from karyocyte.inference.models import Model, RunsModel

FEWEST = 8  # images that tell something: fewer are often alike
SAME_MEAN = 1.0  # of 255
CERTAIN = 0.9995  # probability of a class: the confidence is rounded to one


@dataclass(frozen=True, eq=False)
class NewImages:
    """What is seen of new images."""

    means: np.ndarray  # of the values, 0 to 255, of each image as it was prepared, float64, shape (N,)
    probabilities: np.ndarray  # of the classes, float64, shape (M, classes)


def joined(parts: Sequence[NewImages]) -> NewImages:
    """Return what is seen of all images of some parts."""
    means = np.concatenate([part.means for part in parts])
    probabilities = np.concatenate([part.probabilities for part in parts])
    return NewImages(means, probabilities)


def why_failed(images: NewImages, model: Model) -> str | None:
    """Return why the new images of a model, or its predictions, look as if they were read wrongly; None if not so."""
    means, probabilities = images.means, images.probabilities
    if len(means) >= FEWEST and np.ptp(means) <= SAME_MEAN:
        return f"all {len(means):,} images have one mean, {means.mean():.0f} of 255, as copies of one image have"
    if len(probabilities) >= FEWEST and is_one_certain_class(probabilities) and validation_differs(model):
        return f"all {len(probabilities):,} predictions are of one class with a probability of at least {CERTAIN}"
    return None


def sentence(cause: str) -> str:
    """Return what is said to the user of a cause."""
    return f"{cause}: the images may have been read wrongly, so all are to be reviewed; look at some of them"


def is_one_certain_class(probabilities: np.ndarray) -> bool:
    """Return whether all predictions, shape (N, classes), are of one class, and certain."""
    classes = probabilities.argmax(axis=1)
    return bool((classes == classes[0]).all() and (probabilities.max(axis=1) >= CERTAIN).all())


def validation_differs(model: Model) -> bool:
    """Return whether it is known that the predictions of validation were not all of one class, and certain."""
    if isinstance(model, RunsModel) and not model.export:
        parts = [member.predictions.part("validation").probabilities for member in model.members]
        return any(len(part) >= FEWEST and not is_one_certain_class(part) for part in parts)
    chosen = model.thresholds.confidence
    # Validation images with a lower confidence than the cut are referred.
    return bool(chosen and chosen.cut is not None and chosen.cut < CERTAIN and chosen.kept < chosen.images)
