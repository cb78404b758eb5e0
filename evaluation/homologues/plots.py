"""Figures of the evaluation of comparisons of homologues."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from common.karyotype import CHROMOSOMES
from evaluation.core.plots import COLOURS, canvas
from evaluation.homologues.detection import WANTED
from evaluation.homologues.items import ABNORMAL
from evaluation.homologues.result import ChromosomeResult, DetectionCurve, HomologueResult, Level
from evaluation.result import Interval

TICKS = (0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5)


def detection_curves(path: Path, result: HomologueResult) -> None:
    """Draw sensitivity against size, see `draw_detection_curves`."""
    with canvas(path, (11.0, 6.8), result.about) as figure:
        draw_detection_curves(figure, result)


def draw_detection_curves(figure: Figure, result: HomologueResult) -> None:
    """Draw sensitivity against size, a panel for each kind, and mark the size at which it reaches WANTED."""
    axes = figure.subplots(2, -(-len(ABNORMAL) // 2), sharex=True, sharey=True).ravel()
    for axis in axes[len(result.curves) :]:
        axis.set_axis_off()
    for axis, curve in zip(axes[: len(result.curves)], result.curves, strict=True):
        _detection_curve(axis, curve)
    figure.supxlabel("rearranged share of the chromosome's length")
    figure.supylabel("sensitivity at 95 % specificity (threshold of validation)")


def levels(path: Path, result: HomologueResult) -> None:
    """Draw the AUC of pairs, cells and cases by kind."""
    wanted: dict[str, tuple[Level, str]] = {"pair": ("pair", ""), "cell": ("cell", "")}
    wanted |= {f"case, {count} cells": ("case", count) for count in ("1", "2", "3+")}
    with canvas(path, (9.0, 5.0), result.about) as figure:
        axis = figure.subplots()
        for number, (label, (level, cells)) in enumerate(wanted.items()):
            intervals = [result.find(level, "auc", kind, cells=cells, against="normal") for kind in ABNORMAL]
            positions = np.arange(len(ABNORMAL)) + 0.15 * (number - 2)
            _points(axis, positions, intervals, COLOURS[number], label.replace("1 cells", "1 cell"))
        axis.axhline(0.5, color="#777777", linestyle="--", linewidth=1)
        names = [kind.replace(" ", "\n") for kind in ABNORMAL]
        axis.set_xticks(range(len(ABNORMAL)), names)
        axis.set(ylabel="AUC", ylim=(None, 1.01))
        figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=5)


def chromosomes(path: Path, result: HomologueResult) -> None:
    """Draw the results of each chromosome, see `draw_chromosomes`."""
    with canvas(path, (10.0, 6.0), result.about) as figure:
        draw_chromosomes(figure, result)


def draw_chromosomes(figure: Figure, result: HomologueResult) -> None:
    """Draw the AUC of each chromosome, and the share of its untouched pairs above the threshold."""
    upper, lower = figure.subplots(2, 1, sharex=True)
    _by_chromosome(upper, result.chromosomes, [each.auc for each in result.chromosomes])
    _by_chromosome(lower, result.chromosomes, [each.false_alarms for each in result.chromosomes])
    upper.set(ylabel="AUC, abnormal or normal")
    lower.axhline(0.05, color="#777777", linestyle="--", linewidth=1)
    lower.set(ylabel="normal pairs above the threshold", xlabel="chromosome")
    figure.legend(*upper.get_legend_handles_labels(), loc="outside lower center", ncols=2)


def _detection_curve(axis: Axes, curve: DetectionCurve) -> None:
    values = np.array([_numbers(each) for each in curve.sensitivities])
    axis.plot(curve.sizes, values[:, 0], color=COLOURS[0], marker="o", markersize=4)
    axis.fill_between(curve.sizes, values[:, 1], values[:, 2], color=COLOURS[0], alpha=0.2, linewidth=0)
    axis.axhline(WANTED, color="#777777", linestyle="--", linewidth=1)
    limit = curve.limit.value
    title = f"{curve.kind}\n80 % not reached"
    if limit is not None:
        axis.axvline(limit, color=COLOURS[1], linestyle=":", linewidth=1.4)
        title = f"{curve.kind}\n80 % from {limit:.2f} of the length"
    axis.set_title(title)
    axis.set_xscale("log")
    axis.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
    axis.set_xticks([], minor=True)
    axis.set_ylim(0, 1.02)


def _by_chromosome(axis: Axes, results: Sequence[ChromosomeResult], intervals: Sequence[Interval]) -> None:
    places = np.array([CHROMOSOMES.index(each.chromosome) for each in results])
    for variable, label in ((False, "other chromosomes"), (True, "normal homologues often differ")):
        rows = [number for number, each in enumerate(results) if each.variable == variable]
        _points(axis, places[rows], [intervals[row] for row in rows], COLOURS[int(variable)], label)
    axis.set_xticks(places, [each.chromosome for each in results])


def _points(axis: Axes, positions: np.ndarray, intervals: Sequence[Interval | None], colour: str, label: str) -> None:
    """Draw values with their intervals; what is undefined is left out."""
    values = np.array([_numbers(each) for each in intervals]).reshape(-1, 3)
    known = ~np.isnan(values[:, 0])
    value, low, high = values[known].T
    errors = np.stack([value - low, high - value]).clip(min=0)
    axis.errorbar(positions[known], value, yerr=errors, fmt="o", markersize=4, capsize=2, color=colour, label=label)


def _numbers(interval: Interval | None) -> tuple[float, float, float]:
    """Return value and ends; ends that are unknown are the value."""
    if interval is None or interval.value is None:
        return float("nan"), float("nan"), float("nan")
    low = interval.value if interval.low is None else interval.low
    high = interval.value if interval.high is None else interval.high
    return interval.value, low, high
