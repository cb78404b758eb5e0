"""Calibration of the probabilities, before and after scaling by one temperature that is fitted on validation.

Expected calibration error: Guo et al., On Calibration of Modern Neural Networks, 2017.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import numpy as np

from karyocyte.evaluation.intervals.over_subjects import around
from karyocyte.evaluation.metrics.classification import CALIBRATION, SHARE, call
from karyocyte.evaluation.metrics.labelled import LabelledPredictions
from karyocyte.evaluation.metrics.leave_one_out import StatisticOfSums
from karyocyte.evaluation.metrics.temperature import clip, fit_temperature, rescale
from karyocyte.evaluation.plots.reliability import write_reliability
from karyocyte.evaluation.pooling.labelled_runs import LabelledRuns
from karyocyte.evaluation.pooling.sections import Findings
from karyocyte.evaluation.types.result import (
    TEST,
    CalibrationResult,
    EvaluationResult,
    EvaluationWarning,
    Figures,
    Interval,
    Kind,
    Metrics,
    ReliabilityBin,
    warnings_about,
)
from karyocyte.runs.predictions import SAMPLED_PROBABILITY_PREFIX, VALIDATION

DRAWS = 200
BINS = 10


def reliability(confidences: np.ndarray, correct: np.ndarray, bins: int) -> list[ReliabilityBin]:
    """Compare the probabilities of the predicted classes with the accuracy, shape (N,) each, by bin.

    The bins are equally wide from 0 to 1 and closed below, the last one on both sides.
    """
    place = _bin_of(confidences, bins)
    edges = _edges(bins).tolist()
    rows = []
    for index, (low, high) in enumerate(pairwise(edges)):
        of_bin = place == index
        row = ReliabilityBin(low, high, int(of_bin.sum()), None, None)
        if of_bin.any():
            row = replace(row, confidence=float(confidences[of_bin].mean()), accuracy=float(correct[of_bin].mean()))
        rows.append(row)
    return rows


def ece_if_calibrated(probabilities: np.ndarray, bins: int, seed: int) -> Interval:
    """Draw the ``ece`` of perfectly calibrated probabilities, its mean and 95 % quantile: of few images it is above 0.

    Each prediction is drawn as correct with its probability (Broecker and Smith, 2007), images independently.
    """
    confidences = probabilities.max(axis=1)
    correct = np.random.default_rng(seed).random((DRAWS, len(confidences))) < confidences
    gaps = (correct - confidences) @ np.eye(bins)[_bin_of(confidences, bins)]
    errors = np.abs(gaps).sum(axis=1) / len(confidences)
    return Interval(float(errors.mean()), high=float(np.quantile(errors, 0.95)), n=len(confidences))


def weighted_calibration(scored: LabelledPredictions, bins: int) -> StatisticOfSums:
    """Return a function of counts of clusters, shape (B, C), that computes those of CALIBRATION, shape (3, B).

    ``ece``: expected calibration error, 0 to 1. ``brier``: squared error of the positive class's probability (0 to 1),
    with more than two classes summed over them (0 to 2). ``nll``: mean negative log-probability of the truth, nats.
    """
    probabilities = scored.probabilities
    images = np.arange(len(scored.labels))
    brier = ((probabilities - np.eye(probabilities.shape[1])[scored.labels]) ** 2).sum(axis=1)
    if scored.positive_index is not None:
        brier = brier / 2  # both squares are the same, and one of them counts
    nll = -np.log(clip(probabilities[images, scored.labels]))
    confidences = probabilities.max(axis=1)
    correct = call(probabilities, scored.positive_index) == scored.labels
    losses = np.zeros((scored.cluster_count, 3))
    np.add.at(losses, scored.clusters, np.column_stack([np.ones(len(images)), brier, nll]))
    gaps = np.zeros((scored.cluster_count, bins))
    np.add.at(gaps, (scored.clusters, _bin_of(confidences, bins)), correct - confidences)

    def of_total(totals: np.ndarray) -> np.ndarray:
        """Return the three errors of sums over images."""
        number, brier, nll = totals[:, :3].T
        with np.errstate(invalid="ignore"):
            return np.asarray(np.stack([np.abs(totals[:, 3:]).sum(axis=1), brier, nll]) / number)

    return StatisticOfSums(np.hstack([losses, gaps]), of_total)


def calibration(runs: LabelledRuns, _: EvaluationResult) -> Findings:
    """Return the section: calibration of the test images before and after each fold's own temperature, and its limits.

    Without labelled test images there is none.
    """
    if not len(runs.test.labels):
        return Findings()
    fitted = [fit_temperature(fold.validation) for fold in runs.folds]
    reasons = [temperature.reason for temperature in fitted if temperature.reason]
    if runs.pooled.about.get("on") == VALIDATION:
        reasons.insert(0, "none is fitted on the images that it would be evaluated on")
    temperatures = [temperature.value for temperature in fitted]
    sides = _sides(runs, temperatures)
    measured = {section: _evaluate(runs, each) for section, each in sides.items()}
    measured[Kind.BY_CHANCE] = {"ece": ece_if_calibrated(runs.test.probabilities, BINS, runs.settings.seed)}
    sides.pop(Kind.SAMPLED, None)
    bins: dict[str, list[ReliabilityBin]] = {}
    for section, each in sides.items():
        right = call(each, runs.test.positive_index) == runs.test.labels
        bins[section] = reliability(each.max(axis=1), right, BINS)
    value = CalibrationResult(temperatures, next(iter(reasons), None), bins)
    figures: Figures = {(TEST, section): metrics for section, metrics in measured.items()}
    warnings = calibration_warnings(value.reason, measured)
    return Findings({"calibration": value}, warnings, figures, figures={"reliability": write_reliability})


def _sides(runs: LabelledRuns, temperatures: list[float | None]) -> dict[Kind, np.ndarray]:
    """Return the probabilities to be evaluated, those after scaling where every fold has a temperature."""
    sides = {Kind.CALIBRATED: runs.test.probabilities}
    known = [temperature for temperature in temperatures if temperature is not None]
    # Scaled and unscaled folds in one figure would be the calibration of neither.
    if len(known) == len(runs.folds):
        pairs = zip(runs.folds, known, strict=True)
        sides[Kind.SCALED] = np.concatenate([rescale(fold.test.probabilities, value) for fold, value in pairs])
    # Means over passes or members, where every image has them.
    sampled = runs.frame.reindex(columns=[SAMPLED_PROBABILITY_PREFIX + name for name in runs.test.classes])
    if sampled.notna().all(axis=None):
        sides[Kind.SAMPLED] = sampled.to_numpy(np.float64)
    return sides


def calibration_warnings(reason: str | None, measured: Mapping[Kind, Metrics]) -> list[EvaluationWarning]:
    """Return what limits the figures of ``calibration`` by section; ``reason`` is that of its temperature."""
    lines = []
    if reason:
        lines.append(f"temperature: {reason}")
    before, after = measured[Kind.CALIBRATED], measured.get(Kind.SCALED)
    if after and (after["nll"].value or 0.0) > (before["nll"].value or 0.0):
        lines.append("the temperature that suits validation makes the test probabilities worse (NLL)")
    chance = measured[Kind.BY_CHANCE]["ece"]
    ece, images, most = before["ece"].value or 0.0, chance.n, chance.high or 0.0
    if ece <= most:
        lines.append(
            f"the error of {ece:.3f} may be chance: with {images:,} images it is up to {most:.3f} where every "
            "probability is right"
        )
    return warnings_about("calibration", lines)


def _evaluate(runs: LabelledRuns, probabilities: np.ndarray) -> Metrics:
    settings = runs.settings
    scored = replace(runs.test, probabilities=probabilities)
    metrics = dict(CALIBRATION)
    if scored.positive_index is not None:
        metrics["brier"] = replace(metrics["brier"], bounds=SHARE)
    found = around(weighted_calibration(scored, BINS), metrics, scored, settings)
    ece = found["ece"]
    chance = ece_if_calibrated(probabilities, BINS, settings.seed)
    if ece.low is not None and (ece.value or 0.0) <= (chance.high or 0.0):
        # Resampling only increases an error that is never negative: no error at all is not ruled out.
        found["ece"] = replace(ece, low=0.0)
    return found


def _bin_of(confidences: np.ndarray, bins: int) -> np.ndarray:
    """Return the bin of each image, int64, shape (N,).

    Rounding keeps a probability of 0.8999999 that was 0.9 in the bin that begins there, and so that of edges does.
    """
    rounded = np.clip(np.round(confidences, 9), 0, 1)
    return np.clip(np.searchsorted(_edges(bins), rounded, side="right") - 1, 0, bins - 1)


def _edges(bins: int) -> np.ndarray:
    return np.asarray(np.round(np.linspace(0, 1, bins + 1), 9))
