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


def test_images_that_differ_are_read_rightly(of_runs):
    assert why_failed(NewImages(MEANS, MIXED), of_runs) is None


@pytest.mark.parametrize(("by", "count", "fails"), [(1.0, 9, True), (1.5, 9, False), (0.0, 7, False)])
def test_images_of_one_mean(of_runs, by, count, fails):
    means = np.linspace(50.0, 50.0 + by, count)
    assert (why_failed(NewImages(means, MIXED[:count]), of_runs) is not None) == fails


def test_one_certain_class_where_validation_had_others(of_runs):
    assert why_failed(NewImages(MEANS, CERTAIN), of_runs)
    assert why_failed(NewImages(MEANS, np.clip(CERTAIN, 0.01, 0.99)), of_runs) is None


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
