"""Pictures of a run. Each is saved whole or not at all; its title says run, data, protocol and fold."""

import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, LogLocator, MaxNLocator, NullLocator
from sklearn.metrics import roc_auc_score, roc_curve

from karyocyte.common.files import atomic_path
from karyocyte.common.text import metric_in_words
from karyocyte.evaluation.metrics.classification import lower_is_better
from karyocyte.evaluation.metrics.labelled import LabelledPredictions
from karyocyte.evaluation.types.formats import heading
from karyocyte.evaluation.types.result import EvaluationResult, Kind, Matrix
from karyocyte.runs.run import Run

DPI = 150
# Okabe and Ito's palette, told apart by colour-blind readers too (jfly.uni-koeln.de/color).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
LINES = ("-", "--", "-.", ":")  # of curves, which differ in grey, too
STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "lines.linewidth": 1.8,
    "savefig.facecolor": "white",
    # A class may be called anything: two dollar signs make no formula of it.
    "text.parse_math": False,
}
# Up to here each class has a colour of its own in the ROC; beyond, the weakest ones alone stand out of the gray.
CURVES = len(COLOURS)
WEAKEST = 5
LETTERS = 46  # of a line of the legend of several experiments
BEST = "best epoch of the stage"
INTERRUPTED = "interrupted: training not measured"
# The order of the learning curves.
PANELS = ("loss", "acc", "auc", "precision", "recall", "f1_weighted")
STAGE_LETTERS = 60


def learning_curves(path: Path, result: EvaluationResult) -> None:
    """Draw each quantity in the logs of the PNG's folder over the epochs, stage after stage; nothing without logs.

    The best epoch of each stage is marked, by the monitored column, and each in which the training was interrupted.
    """
    history = Run(path.parent).history
    if not len(history):
        return
    panels = _panels_of(history)
    stages = _stages(history)
    interrupted = np.flatnonzero(history.get("interrupted", pd.Series(dtype=float)).notna())
    best = best_rows(history, result.about.get("monitor", "val/loss"))
    with canvas(path, (8.0, 1.3 + 1.6 * len(panels)), result.about) as figure:
        axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
        for axis, name in zip(axes, panels, strict=True):
            _curves(axis, history, stages, name)
            _mark_stages(axis, stages)
            for place in interrupted:
                style = {"color": "#999999", "alpha": 0.3, "zorder": 0, "linewidth": 0}
                axis.axvspan(place + 0.8, place + 1.2, label=INTERRUPTED, **style)
            for row in best:
                axis.axvline(row + 1, color="#444444", linewidth=1.2, linestyle=":", zorder=1, label=BEST)
        _name_stages(axes[0], stages)
        axes[-1].set_xlabel("epoch")
        axes[0].set_xlim(0.5, len(history) + 0.5)
        axes[0].xaxis.set_major_locator(MaxNLocator(integer=True))
        lines, labels = axes[0].get_legend_handles_labels()
        different = dict(zip(labels, lines, strict=True))
        figure.legend(different.values(), different.keys(), loc="outside lower center", ncols=len(different) or 1)


def _panels_of(history: pd.DataFrame) -> list[str]:
    """Return what is drawn of a history, a panel each: the logged metrics in the order of ``PANELS``, others, rate."""
    logged = history.filter(regex="^(train|val)/").columns.str.split("/", n=1).str[1]
    known = [name for name in PANELS if name in set(logged)]
    return list(dict.fromkeys([*known, *logged, *history.columns.intersection(["lr"])]))


def _name_stages(axis: Axes, stages: list[tuple[int, int, str]]) -> None:
    """Write the name of each stage above its epochs, cut to the room it has of ``STAGE_LETTERS`` over all epochs."""
    for start, end, stage in stages:
        room = max(3, STAGE_LETTERS * (end - start) // stages[-1][1])
        title = f"stage {stage}" if len(stage) + 6 <= room else stage[:room]
        place = ((start + end + 1) / 2, 1.02)
        axis.annotate(title, place, xycoords=("data", "axes fraction"), ha="center", va="bottom")


def _stages(history: pd.DataFrame) -> list[tuple[int, int, str]]:
    """Return first row, row after the last, and name of each stage."""
    stages = history.groupby("stage", sort=False)
    return [(int(rows.index[0]), int(rows.index[-1]) + 1, str(name)) for name, rows in stages]


def best_rows(history: pd.DataFrame, monitor: str) -> list[int]:
    """Return the row of each stage's best epoch in `Run.history`; none where the monitored column is absent."""
    if monitor not in history:
        return []
    values = history.dropna(subset=[monitor]).groupby("stage", sort=False)[monitor]
    return list(values.idxmin() if lower_is_better(monitor) else values.idxmax())


def _mark_stages(axis: Axes, stages: list[tuple[int, int, str]]) -> None:
    for start, end, _ in stages[1::2]:
        axis.axvspan(start + 0.5, end + 0.5, color=COLOURS[0], alpha=0.07, zorder=0, linewidth=0)
    for start, _, _ in stages[1:]:
        axis.axvline(start + 0.5, color="#888888", linewidth=1)


def _curves(axis: Axes, history: pd.DataFrame, stages: list[tuple[int, int, str]], name: str) -> None:
    columns = {f"train/{name}": ("training", COLOURS[0]), f"val/{name}": ("validation", COLOURS[1])}
    columns[f"test_curve/{name}"] = ("test (decides nothing)", COLOURS[2])
    columns[f"train_curve/{name}"] = ("training, by the updated weights", COLOURS[3])
    if name == "lr":
        columns = {"lr": (metric_in_words(name), "#555555")}
    marker = "o" if len(history) <= 30 else None
    for column in filter(history.columns.__contains__, columns):
        label, colour = columns[column]
        values = history[column].to_numpy(np.float64)
        # A stage starts again from the best epoch of the one before: no line leads from one to the other.
        for start, end, _ in stages:
            rows = start + np.flatnonzero(np.isfinite(values[start:end]))
            axis.plot(rows + 1, values[rows], color=colour, label=label, marker=marker, markersize=4)
    axis.set_ylabel(metric_in_words(name))
    # A rate falls by powers of ten, and one bad epoch's loss would flatten all others.
    drawn = history.filter(list(columns)).to_numpy(np.float64)
    if name in ("lr", "loss") and drawn.size and np.nanmax(drawn) > 5 * np.nanmin(drawn) > 0:
        axis.set_yscale("log")
        if name == "loss":  # 0.5 and 2, not 5 x 10^-1
            axis.yaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), minor_locator=NullLocator())
        axis.yaxis.set(major_formatter="{x:g}", minor_formatter=LogFormatter())


def confusion_matrix(path: Path, result: EvaluationResult) -> None:
    """Draw the test confusion matrix: counts and per cent of the row; two classes also at the chosen threshold."""
    test = result.test
    matrices = {"at 0.5" if result.positive_class else "most probable class": test.confusion}
    if test.confusion_at_threshold is not None:
        matrices[f"at {threshold_of(result)}, chosen on validation"] = test.confusion_at_threshold
    draw_confusions(path, result, matrices)


def draw_confusions(path: Path, result: EvaluationResult, matrices: dict[str, Matrix]) -> None:
    """Draw confusion matrices beside each other below their titles, see ``confusion_matrix``."""
    classes = result.classes
    side = max(3.6, 0.56 * len(classes) + 0.8)
    size = (max(6.4, side * len(matrices) + 1.4), side + 1.2)
    with canvas(path, size, result.about, layout="compressed") as figure:
        axes = figure.subplots(1, len(matrices), squeeze=False)[0]
        for axis, (title, counts) in zip(axes, matrices.items(), strict=True):
            image = _matrix(axis, np.array(counts), classes)
            axis.set_title(title)
        axes[0].set_ylabel("true")
        figure.colorbar(image, ax=axes, label="share of the true class", pad=0.02, aspect=30)


def _matrix(axis: Axes, counts: np.ndarray, classes: list[str]) -> mpl.image.AxesImage:
    """Draw a confusion matrix of counts, shape (K, K), rows the truth, on given axes."""
    totals = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    image = axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
    few = len(classes) <= 4
    for row, column in np.ndindex(counts.shape):
        # Among many classes the zeros would hide the errors.
        if few or counts[row, column]:
            text = f"{counts[row, column]:,}\n{_per_cent(share[row, column], few)}" if totals[row] else "0"
            label = axis.text(column, row, text, ha="center", va="center", fontsize=12 if few else 9)
            # Black cannot be read on dark blue.
            if share[row, column] > 0.55:
                label.set_color("white")
    ticks = range(len(classes))
    axis.set_xticks(ticks, classes)
    if max(map(len, classes)) > 6:
        axis.set_xticks(ticks, classes, rotation=45, ha="right", rotation_mode="anchor")
    axis.set_yticks(ticks, classes)
    axis.set_xlabel("predicted")
    axis.grid(False)
    axis.spines[:].set_visible(False)
    return image


def _per_cent(share: float, exact: bool) -> str:
    """Write per cents with one digit, or whole ones: but never an error as 0%, or a class with errors as 100%."""
    if exact:
        return f"{100 * share:.1f} %"
    rounded = round(100 * share)
    if rounded not in (0, 100) or share in (0, 1):
        return f"{rounded}%"
    return f"{100 * share:.1f}%"


def roc(
    path: Path,
    result: EvaluationResult,
    test: LabelledPredictions,
    train: LabelledPredictions | None = None,
    rules: Mapping[str, LabelledPredictions] | None = None,
) -> None:
    """Draw the test ROC with its AUC (defined) and operating points; of more classes each against the rest.

    The curve of training images is dashed, of more than two classes the mean of theirs; that of the best of the
    ``rules`` without a network, of two classes, is dotted.
    """
    auc = result.metrics["auc"]
    with canvas(path, (6.2, 5.8), result.about) as figure:
        axis = figure.subplots()
        axis.plot([0, 1], [0, 1], color="#BBBBBB", linewidth=1, linestyle="--")
        if test.positive_index is None:
            _each_class(axis, test)
            axis.set_title(f"mean AUC, each class against the rest: {auc}")
        else:
            axis.plot(*_rates(test, test.positive_index), color=COLOURS[0], label=f"{result.positive_class}: AUC {auc}")
        if train is not None and min(train.count_images().values()):
            false_rate, true_rate = _mean_rates(train)
            label = f"training images: AUC {np.trapezoid(true_rate, false_rate):.3f}"
            axis.plot(false_rate, true_rate, color=COLOURS[0], linewidth=1.1, linestyle="--", label=label)
        if test.positive_index is not None:
            _best_rule(axis, result, rules or {})
            _points(axis, result)
        _frame_roc(axis)
        axis.legend(loc="lower right")


def rocs(path: Path, evaluated: Mapping[str, tuple[EvaluationResult, LabelledPredictions]]) -> None:
    """Draw the test ROC of each experiment with its AUC; of more than two classes the mean of the classes' curves."""
    # Small, so that the letters can be read where a page shows the picture at 400 pixels.
    results = [result for result, _ in evaluated.values()]
    values = [value for result in results if (value := result.metrics["auc"].value) is not None]
    finding = f"{len(results)} experiments"
    if values:
        finding += f": AUC from {min(values):.3f} to {max(values):.3f}"
    about = {"name": finding, "synthetic": any(result.about.get("synthetic") for result in results)}
    with canvas(path, (5.0, 5.2 + 0.25 * len(evaluated)), about) as figure:
        axis = figure.subplots()
        for number, (label, (result, test)) in enumerate(evaluated.items()):
            text = textwrap.fill(f"{label}: AUC {result.metrics['auc']}", LETTERS)
            colour, line = COLOURS[number % len(COLOURS)], LINES[number % len(LINES)]
            axis.plot(*_mean_rates(test), color=colour, linestyle=line, label=text)
        _frame_roc(axis)
        figure.legend(loc="outside lower center")


def _frame_roc(axis: Axes) -> None:
    axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axis.set(xlabel="1 - specificity", ylabel="sensitivity")


def _mean_rates(scored: LabelledPredictions) -> tuple[np.ndarray, np.ndarray]:
    """Return false and true positive rates; of more than two classes the mean true rate at 2,001 false rates."""
    if scored.positive_index is not None:
        return _rates(scored, scored.positive_index)
    grid = np.linspace(0, 1, 2001)
    true_rates = np.zeros_like(grid)
    for index in range(len(scored.classes)):
        true_rates += np.interp(grid, *_rates(scored, index))
    return np.append(0.0, grid), np.append(0.0, true_rates / len(scored.classes))


def _best_rule(axis: Axes, result: EvaluationResult, rules: Mapping[str, LabelledPredictions]) -> None:
    """Draw the ROC of the rule with the greatest AUC, where there is any."""
    aucs = {words: result.of(f"{Kind.BASELINE}{words}")["auc"] for words in rules}
    if aucs:
        best = max(aucs, key=lambda words: aucs[words].value or 0.0)
        false_rate, true_rate = _mean_rates(rules[best])
        axis.plot(false_rate, true_rate, color="#000000", linestyle=":", label=f"rule on {best}: AUC {aucs[best]}")


def _points(axis: Axes, result: EvaluationResult) -> None:
    """Mark the operating points. Where a metric is undefined, it is nan, and the point is not drawn."""
    points = {"at 0.5": result.metrics}
    if at_threshold := result.of(Kind.AT_THRESHOLD):
        points[f"at {threshold_of(result)}, chosen on validation"] = at_threshold
    # A ring and a diamond: both are seen where they meet.
    marks: tuple[dict[str, Any], dict[str, Any]] = (
        {"marker": "o", "markersize": 13, "markerfacecolor": "none", "markeredgewidth": 2.2, "color": COLOURS[1]},
        {"marker": "D", "markersize": 7, "color": COLOURS[2]},
    )
    for (label, metrics), mark in zip(points.items(), marks, strict=False):
        place = np.array([metrics["specificity"].value, metrics["sensitivity"].value], dtype=float)
        axis.plot(1 - place[0], place[1], linestyle="none", label=label, **mark)


def _each_class(axis: Axes, test: LabelledPredictions) -> None:
    """Draw a curve per class, the one with the least area first; of many classes only the weakest in colour."""
    areas = np.zeros(len(test.classes))
    for index in range(len(areas)):
        areas[index] = roc_auc_score(test.labels == index, test.probabilities[:, index])
    for rank, index in enumerate(np.argsort(areas).tolist()):
        rates = _rates(test, index)
        if len(areas) <= CURVES or rank < WEAKEST:
            axis.plot(*rates, color=COLOURS[rank], label=f"{test.classes[index]}: {areas[index]:.3f}")
        else:
            (line,) = axis.plot(*rates, color="#C4C4C4", linewidth=1, zorder=1.5)
            if rank == WEAKEST:
                line.set_label("the other classes")


def _rates(scored: LabelledPredictions, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Return false and true positive rates of one class against the rest."""
    false_rate, true_rate, _ = roc_curve(scored.labels == index, scored.probabilities[:, index])
    return false_rate, true_rate


def threshold_of(result: EvaluationResult) -> str:
    """Write the threshold that validation chose."""
    return "own thresholds" if result.has_folds else f"{result.thresholds[0].value:.3f}"


@contextmanager
def canvas(
    path: Path, size: tuple[float, float], about: dict[str, Any] | str, layout: str = "constrained", dpi: int = DPI
) -> Iterator[Figure]:
    """Yield a figure in the common style, titled by facts or a sentence; save it when the block ends well."""
    with atomic_path(path) as temporary, mpl.rc_context(STYLE):
        figure = Figure(figsize=size, layout=layout)  # type: ignore[arg-type]  # it may be "none", too
        # Lines break between facts, never within one: 9 bold letters of 12 pt to the inch.
        if not isinstance(about, str):
            about = heading(about).replace(" ", "\N{NO-BREAK SPACE}").replace("·\N{NO-BREAK SPACE}", "· ")
        title = textwrap.fill(about, width=int(size[0] * 9), break_long_words=False)
        figure.suptitle(title, fontsize=12, fontweight="bold")
        yield figure
        figure.savefig(temporary, dpi=dpi, bbox_inches="tight", pad_inches=0.15)
