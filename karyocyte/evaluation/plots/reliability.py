"""The figure of calibration: reliability before and after scaling."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from karyocyte.evaluation.plots.plots import COLOURS, canvas
from karyocyte.evaluation.types.formats import number, of_folds
from karyocyte.evaluation.types.result import EvaluationResult, Kind, ReliabilityBin

MEASURES = (
    "ECE: mean distance of the dots from the dashed line, weighted by images\n"
    "Brier, NLL: errors of the probabilities themselves; 0 is the best of all three"
)


def write_reliability(path: Path, result: EvaluationResult) -> None:
    """Draw accuracy against probability, before and after scaling, and the images per bin, to a PNG."""
    assert result.calibration is not None
    titles = {Kind.CALIBRATED: "as trained"}
    titles[Kind.SCALED] = f"after scaling, temperature {of_folds(result.calibration.temperatures)}"
    reliability = result.calibration.reliability
    sections = [section for section in titles if section in reliability]
    with canvas(path, (5.2 * len(sections), 6.2), result.about) as figure:
        grid = figure.subplots(2, len(sections), squeeze=False, height_ratios=(3, 1), sharex=True, sharey="row")
        for section, (upper, lower) in zip(sections, grid.T, strict=True):
            _draw_side(upper, lower, reliability[section], len(result.classes))
            ece, brier, nll = (number(result.of(section)[name].value) for name in ("ece", "brier", "nll"))
            upper.set_title(f"{titles[section]}\nECE {ece}   Brier {brier}   NLL {nll}")
        grid[0, 0].set_ylabel("accuracy")
        grid[1, 0].set_ylabel("test images")
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, title=MEASURES, loc="outside lower center", ncols=len(labels))


def _draw_side(upper: Axes, lower: Axes, reliability: list[ReliabilityBin], classes: int) -> None:
    """Draw the accuracy of each bin, and below it the number of its images, on given axes."""
    lowest = 0.0
    if classes == 2:
        lowest = 0.5  # one of them has at least one half
    bins = pd.DataFrame(reliability)
    bins["middle"] = (bins["low"] + bins["high"]) / 2
    width = 0.92 * (bins["high"] - bins["low"])[0]
    filled = bins[bins["images"] > 0].astype(float)
    upper.plot([lowest, 1], [lowest, 1], color="#777777", linewidth=1, linestyle="--", label="perfect calibration")
    upper.bar(
        filled["middle"], filled["accuracy"], width=width, color=COLOURS[0], alpha=0.75, label="accuracy of the bin"
    )
    label = "mean probability of the bin"
    upper.plot(filled["confidence"], filled["accuracy"], "o", color=COLOURS[1], markersize=6, label=label)
    upper.set_ylim(0, 1.02)
    lower.bar(bins["middle"], bins["images"], width=width, color="#999999")
    for place, count in zip(filled["middle"], filled["images"], strict=True):
        lower.annotate(f"{count:,.0f}", (place, count), ha="center", va="bottom", fontsize=9)
    lower.set_ylim(0, max(lower.get_ylim()[1], 1.25 * bins["images"].max()))
    lower.yaxis.set_major_formatter("{x:,.0f}")
    lower.set(xlabel="probability of the predicted class", xlim=(lowest - 0.01, 1.01))
