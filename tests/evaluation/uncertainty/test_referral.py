from dataclasses import replace

import numpy as np
import pytest

from common.config.schema import EvaluationConfig
from evaluation.evaluate import evaluate_runs
from evaluation.labelled_runs import LabelledFold
from evaluation.result import ConfidenceCut
from evaluation.uncertainty.calibration import fit_temperature
from evaluation.uncertainty.referral import choose_referral, confidences, cut_notes
from tests.helpers.predictions import make_predictions, make_run

SETTINGS = EvaluationConfig(resamples=20)
CLASSES = ("a", "b", "c")


@pytest.fixture(scope="module")
def fold():
    return LabelledFold.of(make_run(images=300, subjects=None, classes=CLASSES, skill=2.0), SETTINGS)


@pytest.mark.parametrize("target", [0.8, 0.9, 0.95])
def test_the_cut_is_the_lowest_that_keeps_the_accuracy(fold, target):
    cut = choose_referral(fold, target).cut
    validation = fold.validation.scored
    certain = confidences(validation, fit_temperature(validation).value)
    correct = validation.probabilities.argmax(axis=1) == validation.labels
    order = np.argsort(-certain)
    accuracy = np.cumsum(correct[order]) / np.arange(1, 301)
    most = int(np.flatnonzero(accuracy >= target)[-1]) + 1
    assert cut.kept == most
    assert cut.accuracy >= target
    assert cut.lower_bound < cut.accuracy
    assert cut.images == 300


def test_a_higher_accuracy_refers_more(fold):
    cuts = [choose_referral(fold, target).cut for target in (0.7, 0.9, 0.99)]
    assert cuts[0].kept > cuts[1].kept > cuts[2].kept
    assert cuts[0].cut < cuts[1].cut < cuts[2].cut


def test_equal_confidences_are_kept_or_referred_together():
    run = make_run(images=100, subjects=None, classes=CLASSES)
    probabilities = np.full((200, 3), 0.1)
    probabilities[np.arange(200), run.labels] = 0.8
    wrong = np.arange(0, 200, 4)
    probabilities[wrong] = np.roll(probabilities[wrong], 1, axis=1)
    run.frame[[f"prob_{name}" for name in CLASSES]] = probabilities
    fold = LabelledFold.of(run, SETTINGS)
    assert choose_referral(fold, 0.75).cut.kept == 100
    assert choose_referral(fold, 0.76).cut == ConfidenceCut(None, 100, 0, None, None)


def test_folds_refer_by_their_own_cuts_and_the_target_holds_on_test():
    runs = [make_run(fold, images=600, subjects=None, classes=CLASSES, skill=2.5) for fold in range(3)]
    referral = evaluate_runs(runs, SETTINGS).referral
    assert len({cut.cut for cut in referral.validation}) == 3
    assert referral.referred.total == 1800
    assert referral.correct.total == 1800 - referral.referred.hits
    assert abs(referral.correct.value - 0.95) < 0.02
    assert abs(referral.conformal.marginal.coverage.value - 0.9) < 0.03


def test_there_is_no_referral_without_validation_images():
    only_test = make_predictions(classes=CLASSES)
    assert choose_referral(LabelledFold.of(only_test, SETTINGS)) is None
    assert evaluate_runs([only_test], SETTINGS).referral is None


def test_notes_name_what_few_images_guarantee():
    cut = ConfidenceCut(0.6, 40, 20, 1.0, 0.861)
    assert cut_notes(cut, 0.85) == []
    (note,) = cut_notes(cut, 0.95)
    assert "20 validation images" in note
    assert "0.861" in note
    (note,) = cut_notes(replace(cut, cut=None, kept=0, accuracy=None, lower_bound=None), 0.95)
    assert "every image is referred" in note
