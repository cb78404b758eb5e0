"""New images that look as if a reader had failed."""

from types import SimpleNamespace

import numpy as np
import pytest

from karyocyte.inference.failed_reader import NewImages, why_failed
from karyocyte.inference.models import RunsModel
from tests.helpers.predictions import make_run

CERTAIN = np.tile([0.0, 1.0], (9, 1))
MIXED = np.array([[0.0, 1.0], [1.0, 0.0], [0.4, 0.6]] * 3)
MEANS = np.linspace(80.0, 120.0, 9)


@pytest.fixture
def of_runs():
    """A model of a run whose validation predictions differ."""
    model = RunsModel([SimpleNamespace(is_ensemble=False, predictions=make_run())])
    vars(model)["export"] = None
    return model


def exported(confidence):
    """An export of which no more is known than the referral that validation chose."""
    chosen = confidence and SimpleNamespace(**confidence)
    return SimpleNamespace(thresholds=SimpleNamespace(confidence=chosen))


@pytest.mark.parametrize(
    ("means", "probabilities", "fails"),
    [
        (MEANS, MIXED, False),
        (np.linspace(50.0, 51.0, 9), MIXED, True),  # one mean
        (np.linspace(50.0, 51.5, 9), MIXED, False),
        (np.full(7, 50.0), MIXED[:7], False),  # of too few images
        (MEANS, CERTAIN, True),  # one certain class where validation had others
        (MEANS, np.clip(CERTAIN, 0.01, 0.99), False),
    ],
)
def test_images_of_one_mean_or_of_one_certain_class(of_runs, means, probabilities, fails):
    assert (why_failed(NewImages(means, probabilities), of_runs) is not None) == fails


@pytest.mark.parametrize(
    ("confidence", "fails"),
    [
        ({"cut": 0.6, "images": 50, "kept": 40}, True),
        ({"cut": 0.6, "images": 50, "kept": 50}, False),
        ({"cut": None, "images": 50, "kept": 0}, False),
        (None, False),
    ],
)
def test_one_certain_class_of_an_export_where_validation_is_known(confidence, fails):
    assert (why_failed(NewImages(MEANS, CERTAIN), exported(confidence)) is not None) == fails
