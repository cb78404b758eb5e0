"""Scores of all chromosomes on one scale."""

import numpy as np
import pytest

from evaluation.homologues.calibration import SHARED, Calibration, sidak


def test_normal_pairs_of_each_chromosome_have_mean_0_and_spread_1():
    rng = np.random.default_rng(0)
    chromosome = np.repeat(np.arange(4), 500)
    score = 10 * chromosome + (1 + chromosome) * rng.normal(size=2000)
    calibration = Calibration.fit(score, chromosome, np.arange(len(score)))
    calibrated = calibration(score, chromosome)
    for number in range(4):
        assert calibrated[chromosome == number].mean() == pytest.approx(0, abs=0.01)
        assert calibrated[chromosome == number].std() == pytest.approx(1, abs=0.15)
    limit = calibration.threshold(0.95)
    assert (calibrated > limit).mean() == pytest.approx(0.05, abs=0.005)


def test_the_spread_of_few_pairs_is_near_that_of_all():
    rng = np.random.default_rng(1)
    chromosome = np.append(np.zeros(1000, np.int64), [1, 1])
    score = np.append(rng.normal(size=1000), [3.0, 3.0])
    calibration = Calibration.fit(score, chromosome, np.arange(len(score)))
    assert calibration.spread[1] == pytest.approx(1, abs=0.1)
    assert calibration.mean[1] == 3
    assert calibration.mean[2] == pytest.approx(score.mean())  # a chromosome without pairs


def test_a_reference_is_calibrated_by_other_cases():
    rng = np.random.default_rng(2)
    chromosome = np.tile([0, 1], 30)
    case = np.repeat(np.arange(6), 10)
    score = rng.normal(size=60) + 3 * chromosome + case
    calibration = Calibration.fit(score, chromosome, case)
    others = (case != 2) & (chromosome == 1)
    rows = (case == 2) & (chromosome == 1)
    within = np.mean([score[chromosome == number].var() for number in (0, 1)])
    spread = np.sqrt((others.sum() * score[others].var() + SHARED * within) / (others.sum() + SHARED))
    np.testing.assert_allclose(calibration.reference[rows], (score[rows] - score[others].mean()) / spread)


def test_without_another_case_a_reference_is_calibrated_by_its_own():
    score = np.array([1.0, 2.0, 3.0, 11.0, 12.0, 13.0])
    chromosome = np.repeat([0, 1], 3)
    calibration = Calibration.fit(score, chromosome, np.zeros(6, np.int64))
    np.testing.assert_allclose(calibration.reference, calibration(score, chromosome))


def test_p_values_count_normal_pairs_that_score_as_high():
    calibration = Calibration(np.zeros(24), np.ones(24), np.array([0.0, 1.0, 1.0, 2.0]))
    np.testing.assert_allclose(calibration.p_values(np.array([-1.0, 1.0, 2.0, 3.0])), [1.0, 0.8, 0.4, 0.2])


def test_the_least_of_many_p_values_is_corrected():
    np.testing.assert_allclose(sidak(np.array([0.05, 1.0]), 1), [0.05, 1.0])
    np.testing.assert_allclose(sidak(np.array([0.01]), np.array([23])), 1 - 0.99**23)
