"""Pictures of how sure a model may be: reliability before and after scaling, risk against coverage."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from evaluation.core.plots import COLOURS, canvas
from evaluation.uncertainty.selective import RiskCoverage

CONFIDENCES = {
    "probability": "probability",
    "votes": "vote share, cuts at the dots",
    "mean_probability": "mean probability",
    "joint": "votes x probability",
    "mutual_information": "minus mutual information",
}
AREA = "AURC: area under the curve, 0 best; excess: what the best order of the same calls would save"
MEASURES = (
    "ECE: how far the dots are off the dashed line, on average over the images\n"
    "Brier, NLL: errors of the probabilities themselves; 0 is the best of all three"
)
LINES = ("-", "--", "-.", (0, (5, 1)), ":")
# Rules that cut one of the confidences: their marks, and which it is.
MARKS = {"votes": ("s", "votes", 12), "joint": ("D", "joint", 7)}  # the larger one shows where both meet


def reliability(path: Path, judgement: dict) -> None:
    """Draw how often calls are right against how sure they are, before and after scaling, and the images per bin.

    Args:
        path: PNG to write.
        judgement: What ``judge.judge`` returns; its calibration must not be None.
    """
    found = judgement["calibration"]
    sides = {"as trained": found["before"]}
    if found["after"] is not None:
        sides[f"after scaling, temperature {temperature_of(found['temperature'])}"] = found["after"]
    # Two classes are never called below one half.
    if len(judgement["classes"]) == 2:
        lowest = 0.5
    else:
        lowest = 0.0
    with canvas(path, (5.2 * len(sides), 6.2), judgement["about"]) as figure:
        grid = figure.subplots(2, len(sides), squeeze=False, height_ratios=(3, 1), sharex=True, sharey="row")
        for (title, side), (upper, lower) in zip(sides.items(), grid.T, strict=True):
            diagram(upper, side, lowest)
            upper.set_title(f"{title}\nECE {side['ece']:.3f}   Brier {side['brier']:.3f}   NLL {side['nll']:.3f}")
            bin_counts(lower, side)
            lower.set(xlabel="probability of the called class", xlim=(lowest - 0.01, 1.01))
        grid[0, 0].set_ylabel("share of right calls")
        grid[1, 0].set_ylabel("test images")
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, title=MEASURES, loc="outside lower center", ncols=len(labels))


def risk_coverage(path: Path, judgement: dict, curves: dict[str, RiskCoverage]) -> None:
    """Draw the share of wrong calls among the surest images, for every confidence, and where the rules stand.

    Args:
        path: PNG to write.
        judgement: What ``judge.judge`` returns; its triage must not be None.
        curves: What ``selective.curves`` returns for the same images.
    """
    triage = judgement["triage"]
    with canvas(path, (7.6, 5.6), judgement["about"]) as figure:
        axis = figure.subplots()
        draw_risk_coverage(axis, triage, curves)
        images = next(iter(triage["risk_coverage"].values()))["images"]
        axis.set(xlabel=f"coverage: share of the {images:,} test images decided without a person, the surest first")
        axis.set(ylabel="risk: share of wrong calls among them")
        style = {"loc": "outside lower center", "ncols": 1 if len(curves) == 1 else 2}
        figure.legend(title=AREA, **style)


def draw_risk_coverage(axis: Axes, triage: dict, curves: dict[str, RiskCoverage]) -> None:
    """Draw the curves and the rules on given axes; arguments as ``risk_coverage``, of the triage alone."""
    for number, (name, curve) in enumerate(curves.items()):
        row = triage["risk_coverage"][name]
        style = {"color": COLOURS[number], "linestyle": LINES[number]}
        label = f"{CONFIDENCES[name]}: AURC {row['aurc']:.4f} (excess {row['e_aurc']:.4f})"
        axis.plot(curve.coverage, curve.risk, label=label, **style)
        if curve.cuts.sum() < len(curve.cuts) / 2:  # within a tie no cut can be set
            axis.plot(curve.coverage[curve.cuts], curve.risk[curve.cuts], ".", color=COLOURS[number], markersize=6)
    for rule in triage["rules"]:
        if rule["rule"] in MARKS and rule["alone"]:
            marker, name, size = MARKS[rule["rule"]]
            place = (1 - rule["review_share"], 1 - rule["accuracy"]["value"])
            colour = COLOURS[list(curves).index(name)]
            label = f"rule {rule['rule']!r}"
            axis.plot(*place, marker, color=colour, markeredgecolor="black", markersize=size, label=label)
    axis.set_xlim(0, 1.02)
    axis.set_ylim(bottom=min(0, axis.get_ylim()[0]))
    axis.xaxis.set_major_formatter(PercentFormatter(1))
    axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=1))


def diagram(axis: Axes, side: dict, lowest: float) -> None:
    """Draw the share of right calls of each bin; ``side`` is one of a calibration, ``lowest`` the least probability."""
    rows = [row for row in side["reliability"] if row["images"]]
    axis.plot([lowest, 1], [lowest, 1], color="#777777", linewidth=1, linestyle="--", label="right as often as sure")
    width = side["reliability"][0]["high"] - side["reliability"][0]["low"]
    style = {"width": 0.92 * width, "color": COLOURS[0], "alpha": 0.75, "label": "right calls of the bin"}
    axis.bar([(row["low"] + row["high"]) / 2 for row in rows], [row["accuracy"] for row in rows], **style)
    places = [row["confidence"] for row in rows], [row["accuracy"] for row in rows]
    axis.plot(*places, "o", color=COLOURS[1], markersize=6, label="mean probability of the bin")
    axis.set_ylim(0, 1.02)


def bin_counts(axis: Axes, side: dict) -> None:
    """Draw the number of images of each bin."""
    rows = side["reliability"]
    middles = [(row["low"] + row["high"]) / 2 for row in rows]
    counts = np.array([row["images"] for row in rows])
    axis.bar(middles, counts, width=0.92 * (rows[0]["high"] - rows[0]["low"]), color="#999999")
    for place, count in zip(middles, counts, strict=True):
        if count:
            axis.annotate(f"{count:,}", (place, count), ha="center", va="bottom", fontsize=9)
    axis.set_ylim(0, max(axis.get_ylim()[1], 1.25 * counts.max()))
    axis.yaxis.set_major_formatter("{x:,.0f}")


def temperature_of(value: float | list[float]) -> str:
    """Write a temperature, or from which to which those of several folds go."""
    if isinstance(value, list):
        return f"{min(value):.2f} to {max(value):.2f}"
    return f"{value:.2f}"
