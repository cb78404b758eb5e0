"""Figures of calibration (reliability before and after scaling) and of selective prediction (risk against coverage)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from evaluation.core.formats import temperature_of
from evaluation.core.plots import COLOURS, canvas
from evaluation.referral.selective import RiskCoverage
from evaluation.result import CalibrationMetrics, EvaluationResult, TriageResult

CONFIDENCES = {
    "probability": "probability",
    "votes": "vote share, cuts at the dots",
    "mean_probability": "mean probability",
    "joint": "votes x probability",
    "mutual_information": "minus mutual information",
}
AREA = "AURC: area under the curve, 0 best; excess: over the best order of the same predictions"
MEASURES = (
    "ECE: mean distance of the dots from the dashed line, weighted by images\n"
    "Brier, NLL: errors of the probabilities themselves; 0 is the best of all three"
)
LINES = ("-", "--", "-.", (0, (5, 1)), ":")
# Rules that cut a confidence: marker, confidence and size; where two meet, the larger one remains visible.
MARKS = {"votes": ("s", "votes", 12), "joint": ("D", "joint", 7)}


def reliability(path: Path, result: EvaluationResult) -> None:
    """Draw accuracy against probability, before and after scaling, and the images per bin, to a PNG."""
    calibration = result.calibration
    assert calibration is not None
    sides = {"as trained": calibration.before}
    if calibration.after is not None:
        sides[f"after scaling, temperature {temperature_of(calibration.temperature)}"] = calibration.after
    lowest = 0.5 if len(result.classes) == 2 else 0.0  # of two classes one has at least one half
    with canvas(path, (5.2 * len(sides), 6.2), result.about) as figure:
        grid = figure.subplots(2, len(sides), squeeze=False, height_ratios=(3, 1), sharex=True, sharey="row")
        for (title, side), (upper, lower) in zip(sides.items(), grid.T, strict=True):
            diagram(upper, side, lowest)
            upper.set_title(f"{title}\nECE {side.ece:.3f}   Brier {side.brier:.3f}   NLL {side.nll:.3f}")
            bin_counts(lower, side)
            lower.set(xlabel="probability of the predicted class", xlim=(lowest - 0.01, 1.01))
        grid[0, 0].set_ylabel("accuracy")
        grid[1, 0].set_ylabel("test images")
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, title=MEASURES, loc="outside lower center", ncols=len(labels))


def risk_coverage(path: Path, result: EvaluationResult, curves: Mapping[str, RiskCoverage]) -> None:
    """Draw the ``selective.curves`` of the same images, and the rules of triage, to a PNG."""
    triage = result.triage
    assert triage is not None
    images = next(iter(triage.risk_coverage.values())).images
    with canvas(path, (7.6, 5.6), result.about) as figure:
        axis = figure.subplots()
        draw_risk_coverage(axis, triage, curves)
        axis.set_xlabel(f"coverage: share of the {images:,} test images decided alone, the most confident first")
        axis.set_ylabel("risk: error rate among them")
        figure.legend(title=AREA, loc="outside lower center", ncols=1 if len(curves) == 1 else 2)


def draw_risk_coverage(axis: Axes, triage: TriageResult, curves: Mapping[str, RiskCoverage]) -> None:
    """Draw the curves and the rules on given axes; see ``risk_coverage``."""
    for number, (name, curve) in enumerate(curves.items()):
        area = triage.risk_coverage[name]
        colour = COLOURS[number]
        label = f"{CONFIDENCES[name]}: AURC {area.aurc:.4f} (excess {area.e_aurc:.4f})"
        axis.plot(curve.coverage, curve.risk, label=label, color=colour, linestyle=LINES[number])
        if curve.cuts.sum() < len(curve.cuts) / 2:
            axis.plot(curve.coverage[curve.cuts], curve.risk[curve.cuts], ".", color=colour, markersize=6)
    for rule in triage.rules:
        if rule.rule in MARKS and rule.accuracy.value is not None:
            marker, name, size = MARKS[rule.rule]
            style: dict[str, Any] = {"markeredgecolor": "black", "markersize": size, "label": f"rule {rule.rule!r}"}
            style["color"] = COLOURS[list(curves).index(name)]
            axis.plot(1 - rule.review_share, 1 - rule.accuracy.value, marker, **style)
    axis.set_xlim(0, 1.02)
    axis.set_ylim(bottom=min(0, axis.get_ylim()[0]))
    axis.xaxis.set_major_formatter(PercentFormatter(1))
    axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=1))


def diagram(axis: Axes, side: CalibrationMetrics, lowest: float) -> None:
    """Draw the accuracy of each bin on given axes; ``lowest`` is the least possible probability."""
    bins = [row for row in side.reliability if row.images]
    accuracies = np.array([row.accuracy for row in bins])
    confidences = np.array([row.confidence for row in bins])
    middles = [(row.low + row.high) / 2 for row in bins]
    width = 0.92 * (side.reliability[0].high - side.reliability[0].low)
    axis.plot([lowest, 1], [lowest, 1], color="#777777", linewidth=1, linestyle="--", label="perfect calibration")
    axis.bar(middles, accuracies, width=width, color=COLOURS[0], alpha=0.75, label="accuracy of the bin")
    axis.plot(confidences, accuracies, "o", color=COLOURS[1], markersize=6, label="mean probability of the bin")
    axis.set_ylim(0, 1.02)


def bin_counts(axis: Axes, side: CalibrationMetrics) -> None:
    """Draw the number of images of each bin on given axes."""
    rows = side.reliability
    middles = [(row.low + row.high) / 2 for row in rows]
    counts = np.array([row.images for row in rows])
    axis.bar(middles, counts, width=0.92 * (rows[0].high - rows[0].low), color="#999999")
    for place, count in zip(middles, counts, strict=True):
        if count:
            axis.annotate(f"{count:,}", (place, count), ha="center", va="bottom", fontsize=9)
    axis.set_ylim(0, max(axis.get_ylim()[1], 1.25 * counts.max()))
    axis.yaxis.set_major_formatter("{x:,.0f}")
