"""Rules of referral on test images."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.referral.choices import few_votes
from karyocyte.evaluation.run.evaluate import evaluate_runs
from karyocyte.evaluation.tables.tables import referral_table
from karyocyte.evaluation.types.result import Kind
from karyocyte.runs.predictions import Predictions
from karyocyte.runs.uncertainty import summarise
from tests.helpers.predictions import with_scores

SETTINGS = EvaluationConfig(resamples=20)


def voted(labels, scores, for_positive, subjects=None, about=None):
    """Predictions with so many of 100 passes for the positive class."""
    run = with_scores(labels, scores, subjects)
    positive = (np.arange(100)[:, None] < np.array(for_positive)).astype(float)
    frame = pd.concat([run.frame, summarise(np.stack([1 - positive, positive], axis=2), run.classes)], axis=1)
    return Predictions(frame, run.classes, run.positive_class, run.about | (about or {}))


LABELS = [1, 1, 1, 1, 0, 0, 0, 0]
SCORES = [0.9, 0.9, 0.9, 0.1, 0.1, 0.1, 0.9, 0.1]
# Of 100 passes 80 are enough and 79 too few; the last image has a majority that is not its prediction.
FOR_POSITIVE = [100, 80, 79, 0, 20, 21, 95, 100]


def test_fewer_than_80_of_100_passes_refer_an_image():
    run = voted(LABELS, SCORES, FOR_POSITIVE)
    assert few_votes(run, 0.8).tolist() == [False, False, True, False, False, True, False, True]
    assert few_votes(run, 1.0).tolist() == [False, True, True, False, True, True, True, True]
    votes = evaluate_runs([run], SETTINGS).of(Kind.VOTES)
    assert (votes["referred"].value, votes["correct"].value) == (3 / 8, 3 / 5)
    exact = binomtest(3, 5).proportion_ci(0.95, method="exact")
    assert (votes["correct"].low, votes["correct"].high) == pytest.approx(tuple(exact))


def test_intervals_of_the_votes_are_over_subjects_and_a_table_shows_them():
    run = voted(LABELS * 6, SCORES * 6, FOR_POSITIVE * 6, [f"p{number // 8}" for number in range(48)])
    result = evaluate_runs([run], SETTINGS)
    votes = result.of(Kind.VOTES)
    assert votes["referred"].n == votes["correct"].n == 6
    assert votes["referred"].value == 3 / 8
    assert votes["referred"].high - votes["referred"].low < 0.05  # all subjects are alike; by images it would be 0.29
    row = referral_table(result).rows[-1]
    assert row[1:] == (votes["referred"], votes["correct"])
    referred = evaluate_runs([voted(LABELS, SCORES, [50] * 8)], SETTINGS).of(Kind.VOTES)
    assert (referred["referred"].value, referred["correct"].value) == (1, None)


def test_members_of_an_ensemble_are_no_passes():
    assert not evaluate_runs([voted(LABELS, SCORES, FOR_POSITIVE, about={"ensemble": 100})], SETTINGS).of(Kind.VOTES)
    assert not evaluate_runs([with_scores(LABELS, SCORES)], SETTINGS).of(Kind.VOTES)
