"""What validation images choose: the cut of the confidence."""

from dataclasses import replace

import numpy as np
import pytest

from karyocyte.config.schema import EvaluationConfig, TriageConfig
from karyocyte.evaluation.intervals.exact import lower_bounds
from karyocyte.evaluation.metrics.temperature import fit_temperature
from karyocyte.evaluation.pooling.labelled_runs import LabelledFold
from karyocyte.evaluation.referral.choices import (
    ReviewThresholds,
    choose_referral,
    confidences,
    cut_notes,
    ends_of_ties,
    review_mask,
)
from karyocyte.evaluation.run.evaluate import evaluate_runs
from karyocyte.evaluation.types.result import ConfidenceCut, Kind
from tests.helpers.predictions import make_predictions, make_run, with_scores

SETTINGS = EvaluationConfig(resamples=20)


def cut_of(fold, target):
    """The cut for a target accuracy."""
    settings = fold.settings.model_copy(update={"triage": TriageConfig(accuracy=target)})
    return choose_referral(replace(fold, settings=settings)).confidence


CLASSES = ("a", "b", "c")


@pytest.fixture(scope="module")
def fold():
    return LabelledFold.from_run(make_run(images=300, subjects=None, classes=CLASSES, skill=2.0), SETTINGS)


@pytest.mark.parametrize("target", [0.75, 0.85, 0.9])
def test_the_cut_is_the_lowest_whose_accuracy_has_its_lower_bound_at_the_target(fold, target):
    cut = cut_of(fold, target)
    validation = fold.validation
    certain = confidences(validation.probabilities, fit_temperature(validation).value)
    correct = validation.probabilities.argmax(axis=1) == validation.labels
    order = np.argsort(-certain)
    bounds = lower_bounds(np.cumsum(correct[order]), np.arange(1, 301), 0.9)
    most = int(np.flatnonzero(bounds >= target)[-1]) + 1
    assert cut.kept == most
    assert cut.accuracy >= target
    assert cut.lower_bound == pytest.approx(bounds[most - 1])
    assert target <= cut.lower_bound < cut.accuracy
    assert cut.images == 300
    assert cut_of(fold, cut.lower_bound) == cut  # a bound that is the target keeps it


def test_an_image_on_the_cut_is_not_reviewed():
    cut = ConfidenceCut(0.75, 10, 10, 1.0, 0.9)
    images = with_scores([1, 1], [0.75, 0.74])
    assert review_mask("confidence", images, ReviewThresholds(confidence=cut)).tolist() == [False, True]


def test_equal_confidences_are_kept_or_referred_together():
    run = make_run(images=100, subjects=None, classes=CLASSES)
    probabilities = np.full((200, 3), 0.1)
    probabilities[np.arange(200), run.labels] = 0.8
    wrong = np.arange(0, 200, 4)
    probabilities[wrong] = np.roll(probabilities[wrong], 1, axis=1)
    run.frame[[f"prob_{name}" for name in CLASSES]] = probabilities
    fold = LabelledFold.from_run(run, SETTINGS)
    assert cut_of(fold, 0.65).kept == 100
    assert cut_of(fold, 0.76) == ConfidenceCut(None, 100, 0, None, None)


def test_folds_refer_by_their_own_cuts_and_the_target_holds_on_test():
    runs = [make_run(fold, images=600, subjects=None, classes=CLASSES, skill=2.5) for fold in range(3)]
    result = evaluate_runs(runs, SETTINGS)
    assert len({cut.cut for cut in result.referral}) == 3
    referred, correct = result.of(Kind.REFERRAL).values()
    assert (referred.n, correct.n) == (1800, 1800 - referred.hits)
    assert 0.95 <= correct.value < 0.98


def test_there_is_no_referral_without_validation_images():
    only_test = make_predictions(classes=CLASSES)
    assert choose_referral(LabelledFold.from_run(only_test, SETTINGS)) == ReviewThresholds()
    assert evaluate_runs([only_test], SETTINGS).referral is None


def test_images_of_a_poor_model_are_all_referred():
    """A point estimate keeps the few images that are right by chance."""
    fold = LabelledFold.from_run(make_run(images=100, subjects=None, classes=CLASSES, skill=0.0), SETTINGS)
    cut = cut_of(fold, 0.95)
    assert (cut.cut, cut.kept) == (None, 0)
    (note,) = cut_notes(cut, 0.95)
    assert "all images are referred" in note
    assert cut_notes(ConfidenceCut(0.6, 40, 20, 1.0, 0.96), 0.95) == []


def test_the_last_of_equal_confidences_ends_them():
    assert ends_of_ties(np.array([0.9, 0.8, 0.8 - 1e-15, 0.6])).tolist() == [True, False, True, True]
